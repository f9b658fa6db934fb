#!/usr/bin/env bash
# The demo: prepares the King James text, starts a coordinator and four workers on this machine, trains deploy/jobs/kjv.yaml,
# shows it live, and lets the trained model write. Ctrl-C ends all of it.
set -euo pipefail
cd "$(dirname "$0")/.."

here=.run/demo
rm -rf "$here/checkpoints" "$here/paci.db"* "$here/log" "$here/ports"
mkdir -p "$here/log"

pids=()
stop() {
  trap - EXIT INT TERM
  [ ${#pids[@]} -gt 0 ] || return 0
  # The coordinator last, so that every worker can take its leave.
  kill -TERM "${pids[@]:1}" 2> /dev/null || true
  kill -TERM "${pids[@]:1}" 2> /dev/null || true
  wait "${pids[@]:1}" 2> /dev/null || true
  kill -TERM "${pids[0]}" 2> /dev/null || true
  wait "${pids[0]}" 2> /dev/null || true
}
trap stop EXIT
trap 'exit 130' INT
trap 'exit 143' TERM

if [ ! -s "$here/validation.txt" ]; then
  bible -f 'gen1:1-rev22:21' > "$here/kjv.txt"
  lines=$(wc -l < "$here/kjv.txt")
  head -n $((lines * 9 / 10)) "$here/kjv.txt" > "$here/train.txt"
  tail -n +$((lines * 9 / 10 + 1)) "$here/kjv.txt" > "$here/validation.txt"
fi

build/bin/paci-coordinator --insecure --listen 127.0.0.1:0 --metrics 127.0.0.1:0 --store "$here/paci.db" --port-file "$here/ports" \
  2> "$here/log/coordinator.log" &
pids+=($!)
until [ -s "$here/ports" ]; do
  kill -0 "${pids[0]}" 2> /dev/null || { cat "$here/log/coordinator.log" >&2; exit 1; }
  sleep 0.05
done
. "$here/ports"
export PACI_COORDINATOR=$rpc

for i in 0 1 2 3; do
  build/bin/paci-worker --coordinator "$rpc" --name "worker-$i" --metrics 127.0.0.1:0 2> "$here/log/worker-$i.log" &
  pids+=($!)
done

echo "A coordinator at $rpc, four workers; logs in $here/log. Ctrl-C ends all of it."
build/bin/pacictl submit deploy/jobs/kjv.yaml --watch
echo
echo "The model goes on from \"In the beginning \":"
build/bin/pacictl generate kjv-1 --prompt "In the beginning " --max-tokens 300 --temperature 0.7 --seed 1
