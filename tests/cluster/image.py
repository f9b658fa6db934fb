#!/usr/bin/env python3
"""Writes a container image of one layer, a folder's files, to standard output, as `docker save` would."""

import argparse
import hashlib
import io
import json
import sys
import tarfile


def add(archive, name, data):
    entry = tarfile.TarInfo(name)
    entry.size = len(data)
    archive.addfile(entry, io.BytesIO(data))


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("name")
    parser.add_argument("rootfs")
    parser.add_argument("--command", required=True, help="words of the entry point")
    parser.add_argument("--user", default="")
    options = parser.parse_args()

    layer = io.BytesIO()
    with tarfile.open(fileobj=layer, mode="w") as archive:
        archive.add(options.rootfs, arcname=".")
    config = {
        "architecture": "amd64",
        "os": "linux",
        "config": {"Entrypoint": options.command.split(), "User": options.user},
        "rootfs": {"type": "layers", "diff_ids": ["sha256:" + hashlib.sha256(layer.getvalue()).hexdigest()]},
    }
    manifest = [{"Config": "config.json", "RepoTags": [options.name], "Layers": ["layer.tar"]}]
    with tarfile.open(fileobj=sys.stdout.buffer, mode="w|") as archive:
        add(archive, "config.json", json.dumps(config).encode())
        add(archive, "manifest.json", json.dumps(manifest).encode())
        add(archive, "layer.tar", layer.getvalue())


main()
