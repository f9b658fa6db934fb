#!/usr/bin/env bash
# Builds images as paci-NAME:VERSION and paci-NAME:latest, and the base if there is none.
#   usage: build.sh [--gathered] [--ca FILE] NAME...
# NAME: coordinator, worker-cpu, worker-cuda, prometheus, sample-data. --gathered: do not compile, take the binaries of
# build/ (of a machine with the base's release of Debian). --ca: certificates that a proxy on the way out needs.
# PACI_TAG: one tag in place of the two.
set -euo pipefail
cd "$(dirname "$0")/.."

options=()
while [[ ${1:-} == --* ]]; do
  case $1 in
    --gathered) docker/gather.sh build .run/images; options+=(--build-arg BINARIES=gathered) ;;
    --ca) options+=(--secret "id=ca,src=$2"); shift ;;
    *) echo "build.sh: there is no option $1" >&2; exit 2 ;;
  esac
  shift
done

# BuildKit is in the command itself before version 23, and in its buildx plugin since.
docker=
for candidate in docker /usr/bin/docker; do
  version=$("$candidate" version -f '{{.Client.Version}}' 2> /dev/null) || true
  if "$candidate" buildx version > /dev/null 2>&1 || [ "${version%%.*}" -lt 23 ]; then docker=$candidate; break; fi
done
[ -n "$docker" ] || { echo "build.sh: docker has no BuildKit; install its buildx plugin" >&2; exit 1; }

base=$(sed -n 's/^ARG BASE=//p' docker/Dockerfile)
if ! "$docker" image inspect "$base" > /dev/null 2>&1 && ! "$docker" pull -q "$base" 2> /dev/null; then
  docker/base.sh
fi

version=$(sed -n 's/^project(paci VERSION \([0-9.]*\).*/\1/p' CMakeLists.txt)
options+=(--build-arg "VERSION=$version" --build-arg "REVISION=$(git rev-parse HEAD 2> /dev/null || echo unknown)")
for name in "$@"; do
  tags=()
  for tag in ${PACI_TAG:-$version latest}; do tags+=(-t "paci-$name:$tag"); done
  DOCKER_BUILDKIT=1 "$docker" build -q -f docker/Dockerfile --target "$name" "${options[@]}" "${tags[@]}" . > /dev/null
  echo "built: paci-$name, $("$docker" image inspect -f '{{.Size}}' "paci-$name:${PACI_TAG:-latest}" | numfmt --to=si)B"
done
