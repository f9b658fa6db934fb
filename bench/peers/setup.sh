#!/usr/bin/env bash
# Makes .deps/peers, a virtual environment with the PyTorch that ./run bench pipeline compares with. A second run
# installs nothing.
#
# The only PyTorch wheel that PyPI has for Linux on x86-64 is built for CUDA, and `import torch` loads its CUDA half on
# every machine, with 1.8 GB of wheels of CUDA libraries. Without a GPU two of them do anything: the CUDA runtime,
# where kernels register themselves, and CUPTI, which libtorch_cpu.so is linked to. Those are installed. For the others
# stand libraries that have the symbols the loader asks for, and trap when called. PyTorch itself is unchanged. Beside
# the full set, losses have the same bits and the speed is the same; `import torch` takes 257 MiB instead of 503, so
# the comparison of memory is in PyTorch's favour.
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
    gcc -x c -w -fno-builtin -shared -fPIC -nostdlib -Wl,-soname,"$1" "${options[@]}" \
      -o "$packages/nvidia/cu13/lib/$1" -
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
