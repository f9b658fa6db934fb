#!/usr/bin/env bash
# ./run bench NAME [--json FILE] [options of that bench]
set -euo pipefail
cd "$(dirname "$0")/.."
name=${1:-}
[ $# -gt 0 ] && shift
case "$name" in
  pipeline | emulated | convergence | schedules)
    ./run build --quiet paci-coordinator paci-worker pacictl
    [ "$name" = pipeline ] && bench/peers/setup.sh
    exec python3 "bench/$name.py" "$@" ;;
  transport | simulator)
    ./run build --quiet "${name}_bench"
    if [ "${1:-}" = --json ]; then exec "build/bench/${name}_bench" --benchmark_out="$2" --benchmark_out_format=json; fi
    exec "build/bench/${name}_bench" "$@" ;;
  *) echo "bench: no bench is called \"$name\"; there are: pipeline, emulated, convergence, schedules, transport, simulator" >&2; exit 2 ;;
esac
