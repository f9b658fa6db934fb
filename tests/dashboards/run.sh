#!/usr/bin/env bash
# ./run test dashboards [--pictures FOLDER]
# PACI_BIN: a folder of binaries to use in place of a build.
set -euo pipefail
cd "$(dirname "$0")/../.."

programs=$(tests/dashboards/prepare.sh)
export PATH=$programs:$PATH
deploy/grafana/generate.py --check
promtool check rules deploy/prometheus/rules/*.yml
promtool test rules deploy/prometheus/tests/*.yml
[ -n "${PACI_BIN:-}" ] || ./run build --quiet paci-coordinator paci-worker pacictl
if [ "${1:-}" = --pictures ]; then bench/plotting/setup.sh; fi
exec python3 tests/dashboards/dashboards_test.py "$@"
