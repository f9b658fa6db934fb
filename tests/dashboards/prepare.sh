#!/usr/bin/env bash
# Prometheus and promtool: those that are installed, else Debian's, unpacked into .deps/prometheus. Its package is not
# installed, because that would start a Prometheus on this machine. Prints the folder of the two.
set -euo pipefail
cd "$(dirname "$0")/../.."

if command -v prometheus > /dev/null && command -v promtool > /dev/null; then
  dirname "$(command -v prometheus)"
  exit
fi
folder=.deps/prometheus
if [ ! -x $folder/usr/bin/prometheus ]; then
  echo "setup: fetching Prometheus" >&2
  mkdir -p $folder
  (cd $folder && apt-get download -qq -o APT::Sandbox::User=root prometheus && dpkg-deb -x prometheus_*.deb . && rm prometheus_*.deb)
fi
echo "$PWD/$folder/usr/bin"
