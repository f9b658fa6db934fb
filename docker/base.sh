#!/usr/bin/env bash
# Makes the image that docker/Dockerfile builds on, where no registry can be reached: Debian's smallest system by
# debootstrap, imported under the Dockerfile's name for it. Needs root and debootstrap.
set -euo pipefail
cd "$(dirname "$0")/.."
name=$(sed -n 's/^ARG BASE=//p' docker/Dockerfile)
root=$(mktemp -d)
trap 'rm -rf "$root"' EXIT

debootstrap --variant=minbase bookworm "$root" > "$root.log" || { tail -5 "$root.log" >&2; exit 1; }
rm "$root.log"
mirror=$(awk '{print $2; exit}' "$root/etc/apt/sources.list")
cat > "$root/etc/apt/sources.list" <<LIST
deb $mirror bookworm main
deb $mirror bookworm-updates main
deb $mirror-security bookworm-security main
LIST
# As in Debian's slim images: no manuals, no translations; licences stay.
cat > "$root/etc/dpkg/dpkg.cfg.d/slim" <<'LIST'
path-exclude /usr/share/doc/*
path-include /usr/share/doc/*/copyright
path-exclude /usr/share/man/*
path-exclude /usr/share/info/*
path-exclude /usr/share/locale/*
LIST
find "$root/usr/share/doc" ! -type d ! -name copyright -delete
rm -rf "$root"/usr/share/{man,info,locale}/* "$root"/var/{lib/apt/lists,cache/apt,log}/*
rm -rf "$root"/{dev,proc,sys}/*
tar -C "$root" -c . | docker import --change 'CMD ["bash"]' - "$name" > /dev/null
echo "base: $name is Debian $(cat "$root/etc/debian_version")"
