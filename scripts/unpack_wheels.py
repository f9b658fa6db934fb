"""Unpacks from wheels the headers and libraries that the build links, or what begins with a PREFIX, and nothing else.

usage: unpack_wheels.py FOLDER_OF_WHEELS TARGET [PREFIX...]
"""
import pathlib
import sys
import zipfile

WANTED = ("torch/include/", "torch/lib/libtorch_cpu.so", "torch/lib/libc10.so", "torch/lib/libgomp",
          "nvidia/cu13/lib/libcudart.so", "nvidia/cu13/lib/libcupti.so")


def main(wheels: str, target: str, *wanted: str) -> None:
    for wheel in sorted(pathlib.Path(wheels).glob("*.whl")):
        with zipfile.ZipFile(wheel) as archive:
            names = [name for name in archive.namelist() if name.startswith(wanted or WANTED)]
            archive.extractall(target, names)
            print(f"setup: {len(names)} files of {wheel.name}")


if __name__ == "__main__":
    main(*sys.argv[1:])
