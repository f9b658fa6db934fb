#!/usr/bin/env bash
# Puts into OUT what the images take from a build: for each image a tree as it lies under /, and packages.txt, the Debian
# packages whose libraries its binaries load. Libraries of no package (LibTorch) go into usr/local/lib/paci.
#   usage: gather.sh BUILD OUT
set -euo pipefail
build=$1 out=$2

# The libraries that programs load, as the loader finds them.
libraries() {
  local found
  found=$(ldd "$@")
  if grep "not found" <<< "$found" >&2; then exit 1; fi
  awk '$2 == "=>" && $3 ~ /^\// {print $3}' <<< "$found" | sort -u
}

# gather IMAGE COMPONENT=BINARY...
gather() {
  local image=$1 tree=$out/$1 pair library package
  shift
  rm -rf "$tree"
  mkdir -p "$tree/usr/local/lib/paci"
  for pair in "$@"; do
    cmake --install "$build" --component "${pair%=*}" --prefix "$tree/usr/local" --strip > /dev/null
  done
  for library in $(libraries "${@/#*=/$build/bin/}"); do
    # A package lists its files under /lib or /usr/lib, which are one folder.
    package=$(dpkg -S "$library" "/usr$library" "${library#/usr}" 2> /dev/null | cut -d: -f1 | head -1 || true)
    if [ -n "$package" ]; then
      echo "$package"
    else
      cp -pLl "$library" "$tree/usr/local/lib/paci/" 2> /dev/null || cp -pL "$library" "$tree/usr/local/lib/paci/"
    fi
  done | sort -u > "$tree/packages.txt"
  rmdir --ignore-fail-on-non-empty "$tree/usr/local/lib/paci" "$tree/usr/local/lib"
  echo "gathered: $image, $(du -sh "$tree" | cut -f1), $(wc -l < "$tree/packages.txt") packages"
}

gather coordinator coordinator=paci-coordinator cli=pacictl
gather worker worker=paci-worker cli=pacictl
