#!/usr/bin/env bash
# ./run bench NAME [--json FILE] [options of that bench]
# PACI_BIN: a folder of binaries to use in place of a build.
set -euo pipefail
cd "$(dirname "$0")/.."
name=${1:-}
[ $# -gt 0 ] && shift
case "$name" in
  pipeline | emulated | convergence | quality | schedules | scaling | clipping | checkpoints | recovery | fast_recovery | attack | gpu)
    [ -n "${PACI_BIN:-}" ] || ./run build --quiet paci-coordinator paci-worker pacictl
    if [ "$name" = pipeline ] || [ "$name" = recovery ]; then bench/peers/setup.sh; fi
    exec python3 "bench/$name.py" "$@" ;;
  plots)
    bench/plotting/setup.sh
    [ -n "${PACI_BIN:-}" ] || ./run build --quiet pacictl
    exec .run/plotting/bin/python bench/plots.py "$@" ;;
  transport | simulator)
    ./run build --quiet "${name}_bench"
    if [ "${1:-}" = --json ]; then exec "build/bench/${name}_bench" --benchmark_out="$2" --benchmark_out_format=json; fi
    exec "build/bench/${name}_bench" "$@" ;;
  *)
    echo "bench: no bench is called \"$name\"; there are: pipeline, emulated, schedules, convergence, quality, scaling, clipping," \
      "checkpoints, recovery, fast_recovery, attack, gpu, plots, transport, simulator" >&2
    exit 2 ;;
esac
