#!/usr/bin/env bash
# Makes .deps/peers, a virtual environment with the PyTorch that ./run bench pipeline compares with. A second run installs
# nothing.
#
# The only PyTorch wheel that PyPI has for Linux on x86-64 is built for CUDA, and libtorch_cuda.so, which `import torch`
# loads on every machine, is linked to 2 GB of CUDA libraries. No code of theirs runs without a GPU, with one exception:
# the CUDA runtime, where the kernels register themselves (CUPTI comes along, as for LibTorch). Those two are
# installed; the others are stood in for by libraries that have the symbols the loader asks for and trap when called. All of
# PyTorch is its own unchanged binary. Against the full set, the memory after `import torch` is the same (504 MiB).
set -euo pipefail
cd "$(dirname "$0")/../.."

here=.deps/peers
stamp=$here/peers.sha256
wanted=$(sha256sum bench/peers/requirements.txt bench/peers/setup.sh | sha256sum | cut -d' ' -f1)
[ "$(cat $stamp 2> /dev/null)" != "$wanted" ] || exit 0

echo "setup: fetching PyTorch for the comparison (540 MB)"
rm -rf $here
python3 -m venv --without-pip $here
python3 -m pip --python $here/bin/python install -q --no-deps --require-hashes --only-binary=:all: \
  -r bench/peers/requirements.txt

packages=$(echo $here/lib/python3*/site-packages)
undefined=$(cd "$packages/torch/lib" && nm -D --undefined-only libtorch_cuda.so libtorch_nvshmem.so libtorch_python.so |
  awk 'NF == 2 {print $2}' | sort -u)

# stand_in SONAME PATTERN [VERSION]: a library with every undefined symbol that matches, of that symbol version.
stand_in() {
  local symbols options=()
  symbols=$(grep -E "$2" <<< "$undefined" | cut -d@ -f1)
  if [ $# -gt 2 ]; then
    echo "$3 { global: *; };" > $here/version
    options=(-Wl,--version-script=$here/version)
  fi
  printf 'void %s(void) { __builtin_trap(); }\n' $symbols |
    gcc -x c -w -fno-builtin -shared -fPIC -nostdlib -Wl,-soname,"$1" "${options[@]}" -o "$packages/nvidia/cu13/lib/$1" -
}

for library in libcublas.so.13 libcublasLt.so.13 libcudnn.so.9 libcufft.so.12 libcusparse.so.12 libnvrtc.so.13; do
  stand_in $library "@$library\$" $library
done
stand_in libnvshmem_host.so.3 '^nvshmem' NVSHMEM
stand_in libcufile.so.0 '^cuFile'
stand_in libcusparseLt.so.0 '^cusparseLt'
stand_in libnccl.so.2 '^nccl'

$here/bin/python -W ignore -c 'import torch.distributed.pipelining; assert not torch.cuda.is_available()'
echo "$wanted" > $stamp
