#!/usr/bin/env bash
# Builds the images of docker/ as they are and writes them into FOLDER, one archive each; starts dockerd for that if there is
# none, and stops it.   usage: images.sh FOLDER
set -euo pipefail
cd "$(dirname "$0")/../.."
folder=$1
mkdir -p "$folder"

if ! docker info > /dev/null 2>&1; then
  dockerd > "$folder/dockerd.log" 2>&1 &
  server=$!
  trap 'kill $server; wait $server' EXIT
  until docker info > /dev/null 2>&1; do
    kill -0 $server 2> /dev/null || { tail -n 5 "$folder/dockerd.log" >&2; exit 1; }
    sleep 0.2
  done
fi
PACI_TAG=cluster docker/build.sh --gathered coordinator worker-cpu
for image in coordinator worker-cpu; do
  docker save -o "$folder/$image.tar" "paci-$image:cluster"
  docker image rm "paci-$image:cluster" > /dev/null
done
