#!/usr/bin/env bash
# Writes what a running cluster has to say into a folder.   usage: report.sh FOLDER
set -uo pipefail
cd "$(dirname "$0")/../.."
folder=$1
rm -rf "$folder"
mkdir -p "$folder"
cp -r .run/cluster/log "$folder/node"
kubectl() { tests/cluster/cluster.sh exec kubectl -n training "$@" 2>&1; }
kubectl get all,pvc,pv -o wide > "$folder/objects.txt"
kubectl get events --sort-by=.lastTimestamp > "$folder/events.txt"
kubectl describe pods > "$folder/pods.txt"
for pod in $(kubectl get pods -o name); do
  kubectl logs "$pod" > "$folder/${pod#pod/}.log"
  kubectl logs --previous "$pod" > "$folder/${pod#pod/}.previous.log"
done
echo "cluster: see $folder" >&2
