#!/usr/bin/env bash
# The chart in a real cluster: builds Kubernetes and the images, starts one node of it in namespaces of its own, runs
# cluster_test.py there, and removes all of it. Of a failure .run/cluster-report tells. Needs root.
set -euo pipefail
cd "$(dirname "$0")/../.."
cluster=tests/cluster/cluster.sh

[ "$(id -u)" = 0 ] || { echo "cluster: run as root" >&2; exit 1; }
packages=(busybox-static)
need() { command -v "$1" > /dev/null || packages+=("$2"); }
need conntrack conntrack
need containerd containerd
need curl curl
need debootstrap debootstrap
need dockerd docker.io
need etcd etcd-server
need iptables iptables
need openssl openssl
[ -x /usr/lib/cni/bridge ] || packages+=(containernetworking-plugins)
scripts/install.sh "${packages[@]}" $(cat tests/helm/packages.txt)
tests/helm/prepare.sh
tests/cluster/build.sh
./run build --quiet paci-coordinator paci-worker pacictl
tests/cluster/images.sh .run/cluster-images

finish() {
  local status=$?
  trap - EXIT
  [ $status = 0 ] || tests/cluster/report.sh .run/cluster-report || true
  $cluster down
  rm -rf .run/cluster-images
  exit $status
}
trap finish EXIT
trap 'exit 130' INT
trap 'exit 143' TERM
$cluster up
for archive in .run/cluster-images/*.tar; do $cluster exec ctr image import - < "$archive" > /dev/null; done
$cluster exec tests/cluster/cluster_test.py "$PWD/.run/cluster/test"
