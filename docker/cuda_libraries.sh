#!/usr/bin/env bash
# Fetches what LibTorch needs on a GPU beside its CPU libraries, and puts the libraries into OUT (3 GB of wheels).
#   usage: cuda_libraries.sh OUT
set -euo pipefail
out=$1
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
grep -h -- --hash= scripts/wheels.txt docker/cuda_wheels.txt > "$work/wheels.txt"
platforms=()
for glibc in 5 12 17 18 25 27 28; do platforms+=(--platform "manylinux_2_${glibc}_x86_64"); done
python3 -m pip download -q --no-deps --require-hashes --only-binary=:all: --python-version 3.11 "${platforms[@]}" \
  --platform manylinux2014_x86_64 -d "$work/wheels" -r "$work/wheels.txt"
python3 scripts/unpack_wheels.py "$work/wheels" "$work/all" torch/lib/ nvidia/
mkdir -p "$out"
find "$work/all" -name '*.so*' -exec mv -t "$out" {} +

# All that they load is there, but for the driver, which is the host's.
missing=$(LD_LIBRARY_PATH=$out ldd "$out"/libtorch_cuda.so "$out"/libc10_cuda.so | grep "not found" | grep -v 'libcuda\.so\.1' || true)
if [ -n "$missing" ]; then echo "$missing" >&2; exit 1; fi
# These are in the worker's image already; and what belongs to Python.
rm -f "$out"/lib{torch_cpu,c10,torch,torch_python,shm,torch_global_deps}.so "$out"/libgomp.so* "$out"/libcu{dart,pti}.so*
