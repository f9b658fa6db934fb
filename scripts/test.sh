#!/usr/bin/env bash
# The test suite: everything, or the parts that are named. Each part prints one line of what it checked.
set -euo pipefail
cd "$(dirname "$0")/.."

check_format() {
  git ls-files -co --exclude-standard '*.h' '*.cc' | xargs clang-format-14 --dry-run --Werror
  echo "format: clean"
}

# A test that is in the tree but in no CMakeLists.txt would never run.
check_registered() {
  local file missing=0
  for file in $(git ls-files -co --exclude-standard 'tests/*_test.cc'); do
    if ! grep -q "$(basename "$file")" "$(dirname "$file")/CMakeLists.txt"; then
      echo "not registered in $(dirname "$file")/CMakeLists.txt: $(basename "$file")" >&2
      missing=1
    fi
  done
  [ $missing = 0 ] && echo "registered: every test file of the tree"
}

check_dashboards() { deploy/grafana/generate.py --check; }

build() { ./run build --quiet; }
suite() { ctest --test-dir build --output-on-failure --no-tests=error -j 2 "$@"; }

# Everything that does not link LibTorch, whose own code is not built for it. What gRPC does between threads
# ThreadSanitizer cannot see: it gets the transports, the stage loop and the web server, which are ours alone, and with
# suppressions the threads beside gRPC's.
sanitize() {
  local folder=$1 sanitizers=$2
  shift 2
  export CCACHE_SLOPPINESS=pch_defines,time_macros CCACHE_BASEDIR=$PWD CCACHE_NOHASHDIR=1
  cmake -S . -B "$folder" -G Ninja -DCMAKE_CXX_COMPILER_LAUNCHER=ccache -DPACI_WORKER=OFF \
    -DPACI_SANITIZE="$sanitizers" > /dev/null
  ninja --quiet -C "$folder"
  ctest --test-dir "$folder" --output-on-failure --no-tests=error -j 2 "$@"
}

# Each target of tests/fuzz searches for SECONDS, from its seeds and from what it found before (.run/fuzz).
fuzz() {
  local seconds=${1:-60}
  export CCACHE_SLOPPINESS=pch_defines,time_macros CCACHE_BASEDIR=$PWD CCACHE_NOHASHDIR=1
  ./run build --quiet $(sed -n 's/^paci_fuzz(\([a-z_]*\).*/fuzz_\1/p' tests/fuzz/CMakeLists.txt)
  CXX=clang++-14 cmake -S . -B build-fuzz -G Ninja -DCMAKE_CXX_COMPILER_LAUNCHER=ccache -DPACI_WORKER=OFF \
    -DPACI_SANITIZE=address,undefined -DPACI_FUZZ=ON > /dev/null
  local target corpus
  for target in $(sed -n 's/^paci_fuzz(\([a-z_]*\).*/\1/p' tests/fuzz/CMakeLists.txt); do
    ninja --quiet -C build-fuzz "fuzz_$target"
    corpus=.run/fuzz/$target
    mkdir -p "$corpus"
    "build/tests/fuzz/fuzz_$target" "$corpus"
    echo "fuzz $target: $seconds s"
    "build-fuzz/tests/fuzz/fuzz_$target" -max_total_time="$seconds" -timeout=10 -rss_limit_mb=4096 -print_final_stats=1 \
      -verbosity=0 -print_funcs=0 -artifact_prefix=".run/fuzz/$target-" "$corpus"
  done
}

case "${1:-all}" in
  all)
    check_format
    check_registered
    check_dashboards
    build
    python3 scripts/tidy.py build
    suite -LE '^chaos$'
    ;;
  unit | parity | integration) build; suite -L "^$1$" ;;
  chaos) build; suite -L '^chaos$' -j 1 ;;
  format) check_format ;;
  tidy) build; python3 scripts/tidy.py build ;;
  sanitizers)
    # AddressSanitizer keeps freed memory for a while, which is what the excluded tests measure.
    sanitize build-address address,undefined -L '^unit$' -E '^ProcessMemory|CostsNoMemory'
    threads='Transports|Tcp|Strangers|Impostors|Examine|DataTls|IoThread|Nccl|Staged|GpuWorld|Guest|Lobby'
    threads+='|Http|MetricsServer|Protected|Runtime|Wires|SpanRecorder|StageMonitor|BatchSource|Logging'
    # And ThreadSanitizer keeps several bytes beside each that is touched.
    sanitize build-thread thread -R "^($threads)" -E CostsNoMemory
    TSAN_OPTIONS="ignore_noninstrumented_modules=1 suppressions=$PWD/tests/support/tsan_grpc.supp" \
      sanitize build-thread thread -R '^(Door|Tls|ServiceTest|TraceServiceTest)'
    ;;
  fuzz) fuzz "${2:-}" ;;
  deploy)
    ./run build --quiet paci-coordinator paci-worker pacictl
    shift
    python3 tests/deploy/compose_test.py "$@"
    ;;
  helm)
    scripts/install.sh $(cat tests/helm/packages.txt)
    tests/helm/prepare.sh
    tests/helm/chart_test.py
    ;;
  gpu)
    build
    exec python3 tests/gpu/gpu_test.py build ;;
  models)
    tests/models/setup.sh
    ./run build --quiet paci-coordinator paci-worker pacictl model_logits
    .deps/models/bin/python -W ignore tests/models/models_test.py build
    exec .deps/models/bin/python tests/models/data_test.py build ;;
  cluster) exec tests/cluster/run.sh ;;
  docs) build; suite -R 'Docs|Reference' ;;
  dashboards) shift; exec tests/dashboards/run.sh "$@" ;;
  *) echo "test: no suite is called \"$1\"; there are: unit, parity, integration, format, tidy, docs, sanitizers, fuzz, chaos, deploy, gpu, models, helm, cluster, dashboards" >&2; exit 2 ;;
esac
