#!/usr/bin/env bash
# Installs what the build needs and is missing: Debian packages (packages.txt) and, into .deps, LibTorch (wheels.txt).
# A second run installs nothing.
set -euo pipefail
cd "$(dirname "$0")/.."

scripts/install.sh $(cat scripts/packages.txt)

stamp=.deps/wheels.sha256
wanted=$(sha256sum scripts/wheels.txt scripts/unpack_wheels.py | sha256sum | cut -d' ' -f1)
if [ "$(cat $stamp 2>/dev/null)" != "$wanted" ]; then
  echo "setup: fetching LibTorch and NCCL (760 MB)"
  rm -rf .deps/torch .deps/nvidia .deps/wheels
  mkdir -p .deps/wheels
  python3 -m pip download -q --no-deps --require-hashes --only-binary=:all: --python-version 3.11 \
    --platform manylinux_2_28_x86_64 --platform manylinux_2_25_x86_64 --platform manylinux_2_18_x86_64 --platform manylinux2014_x86_64 \
    -d .deps/wheels -r scripts/wheels.txt
  python3 scripts/unpack_wheels.py .deps/wheels .deps
  rm -rf .deps/wheels
  echo "$wanted" > $stamp
fi
