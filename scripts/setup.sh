#!/usr/bin/env bash
# Installs what the build needs and is missing: Debian packages (packages.txt) and, into .deps, LibTorch (wheels.txt); with
# `test`, what its checks need, too (tools.txt). A second run installs nothing.
set -euo pipefail
cd "$(dirname "$0")/.."

# fetch LIST WHAT OLD_FOLDERS PREFIXES: what of the wheels in scripts/LIST.txt begins with PREFIXES, or what the build links.
fetch() {
  local list=$1 what=$2 old=$3 prefixes=$4
  local stamp=.deps/$list.sha256 wheels=.deps/$list-wheels wanted
  wanted=$(sha256sum "scripts/$list.txt" scripts/unpack_wheels.py | sha256sum | cut -d' ' -f1)
  [ "$(cat "$stamp" 2>/dev/null)" = "$wanted" ] && return
  echo "setup: fetching $what"
  rm -rf $old "$wheels"
  mkdir -p "$wheels"
  python3 -m pip download -q --no-deps --require-hashes --only-binary=:all: --python-version 3.11 \
    --platform manylinux_2_28_x86_64 --platform manylinux_2_25_x86_64 --platform manylinux_2_18_x86_64 --platform manylinux2014_x86_64 \
    -d "$wheels" -r "scripts/$list.txt"
  python3 scripts/unpack_wheels.py "$wheels" .deps $prefixes
  rm -rf "$wheels"
  echo "$wanted" > "$stamp"
}

scripts/install.sh $(cat scripts/packages.txt)
fetch wheels "LibTorch and NCCL (760 MB)" ".deps/torch .deps/nvidia" ""
[ "${1:-}" = test ] || exit 0
fetch tools "clang-tidy (46 MB)" .deps/clang_tidy clang_tidy/data/
chmod +x .deps/clang_tidy/data/bin/clang-tidy
