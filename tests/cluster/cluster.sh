#!/usr/bin/env bash
# A one-node Kubernetes of this machine's own making, in namespaces of its own.
# usage: cluster.sh up | down | exec COMMAND...      (root)
set -euo pipefail
cd "$(dirname "$0")/../.."
dir=$PWD/.run/cluster
cgroup=paci-cluster-$(cksum <<< "$dir" | cut -d' ' -f1)  # of this checkout

# Every hierarchy of version 1, or the one of version 2.
cgroups() { awk '$3 ~ /^cgroup2?$/ {print $2}' /proc/mounts; }

first_process() { cat "$dir/first.pid" 2> /dev/null; }

up() {
  down
  mkdir -p "$dir/log"
  local hierarchy
  for hierarchy in $(cgroups); do mkdir -p "$hierarchy/$cgroup"; done
  setsid unshare --net --mount --pid --ipc --fork --mount-proc tests/cluster/node.sh "$dir" "$cgroup" > "$dir/log/node.log" 2>&1 &
  local outside=$!
  until [ -e "$dir/ready" ]; do
    kill -0 $outside 2> /dev/null || { cat "$dir/log/node.log" >&2; return 1; }
    [ -s "$dir/first.pid" ] || pgrep -P $outside > "$dir/first.pid" || true
    sleep 0.1
  done
}

down() {
  local pid hierarchy
  if pid=$(first_process); then
    kill -KILL "$pid" 2> /dev/null || true
    while kill -0 "$pid" 2> /dev/null; do sleep 0.1; done
  fi
  for hierarchy in $(cgroups); do
    [ ! -d "$hierarchy/$cgroup" ] || find "$hierarchy/$cgroup" -depth -type d -exec rmdir {} +
  done
  rm -rf "$dir"
}

run_inside() {
  local state=/run/cluster
  exec nsenter --target "$(first_process)" --net --mount --pid --ipc --wdns="$PWD" env KUBECONFIG=$state/kubeconfig \
    CONTAINERD_ADDRESS=$state/containerd.sock CONTAINERD_NAMESPACE=k8s.io \
    PATH="$PWD/.deps/kubernetes/bin:$PWD/.deps/go/bin:$PATH" "$@"
}

case "${1:-}" in
  up) up ;;
  down) down ;;
  exec) shift; run_inside "$@" ;;
  *) sed -n 's/^# usage: //p' "$0" >&2; exit 2 ;;
esac
