#!/usr/bin/env bash
# The chart in a real cluster: builds Kubernetes and the images, starts one node of it in namespaces of its own, runs
# cluster_test.py there, and removes all of it. Of a failure .run/cluster-report tells. Needs root.
set -euo pipefail
cd "$(dirname "$0")/../.."
cluster=tests/cluster/cluster.sh
images=(coordinator worker-cpu)

[ "$(id -u)" = 0 ] || { echo "cluster: run as root" >&2; exit 1; }
scripts/install.sh $(cat tests/cluster/packages.txt)
tests/helm/prepare.sh
tests/cluster/build.sh
./run build --quiet paci-coordinator paci-worker pacictl
docker/build.sh --gathered "${images[@]}"

finish() {
  local status=$?
  trap - EXIT
  [ $status = 0 ] || tests/cluster/report.sh .run/cluster-report || true
  $cluster down
  exit $status
}
trap finish EXIT
trap 'exit 130' INT
trap 'exit 143' TERM
$cluster up
for image in "${images[@]}"; do docker save "paci-$image" | $cluster exec ctr image import - > /dev/null; done
$cluster exec tests/cluster/cluster_test.py "$PWD/.run/cluster/volumes"
