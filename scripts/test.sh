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

build() { ./run build --quiet; }
suite() { ctest --test-dir build --output-on-failure --no-tests=error -j 2 "$@"; }

case "${1:-all}" in
  all)
    check_format
    check_registered
    build
    python3 scripts/tidy.py build
    suite
    ;;
  unit | parity | integration) build; suite -L "^$1$" ;;
  format) check_format ;;
  tidy) build; python3 scripts/tidy.py build ;;
  docs) build; suite -R 'Docs|Reference' ;;
  *) echo "test: no suite is called \"$1\"; there are: unit, parity, integration, format, tidy, docs" >&2; exit 2 ;;
esac
