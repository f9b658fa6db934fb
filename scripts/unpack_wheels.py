"""Unpacks from wheels the headers and libraries that the build links, or what begins with a PREFIX, and nothing else.

usage: unpack_wheels.py FOLDER_OF_WHEELS TARGET [PREFIX...]
"""
import pathlib
import re
import sys
import zipfile

WANTED = ("torch/include/", "torch/lib/libtorch_cpu.so", "torch/lib/libc10.so", "torch/lib/libgomp",
          "nvidia/cu13/lib/libcudart.so", "nvidia/cu13/lib/libcupti.so", "nvidia/cu13/include/nv/",
          "nvidia/cu13/include/crt/", "nvidia/nccl/include/nccl.h", "nvidia/nccl/lib/libnccl.so")
# What nccl.h and cuda_runtime_api.h include, of the folder itself only.
HEADERS = re.compile(r"nvidia/cu13/include/[^/]+\.(h|hpp)")


def main(wheels: str, target: str, *wanted: str) -> None:
    for wheel in sorted(pathlib.Path(wheels).glob("*.whl")):
        with zipfile.ZipFile(wheel) as archive:
            names = [name for name in archive.namelist()
                     if name.startswith(wanted or WANTED) or not wanted and HEADERS.fullmatch(name)]
            archive.extractall(target, names)
            print(f"setup: {len(names)} files of {wheel.name}")


if __name__ == "__main__":
    main(*sys.argv[1:])
