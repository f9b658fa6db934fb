#!/usr/bin/env bash
# Builds Kubernetes (control plane, kubelet, kube-proxy, kubectl) and CoreDNS from their Go modules into
# .deps/kubernetes/bin: about ten minutes on two cores, once. A second run does nothing.
set -euo pipefail
cd "$(dirname "$0")/../.."
. scripts/go-tools.sh

coredns=1.12.1
dir=$PWD/.deps/kubernetes
wanted="kubernetes $KUBERNETES_VERSION, coredns $coredns"
[ "$(cat "$dir/built" 2> /dev/null)" = "$wanted" ] && exit 0

need_go
echo "cluster: building $wanted (about ten minutes)"
rm -rf "$dir"
mkdir -p "$dir/src" "$dir/bin"
cd "$dir/src"
tools="kube-apiserver kube-controller-manager kube-scheduler kubelet kubectl kube-proxy"
module=$(module_dir "k8s.io/kubernetes@v$KUBERNETES_VERSION")

# The modules that Kubernetes keeps in its own tree are published with its version, 1.33.4 as v0.33.4.
{
  printf 'module cluster\n\ngo 1.24.0\n\nrequire k8s.io/kubernetes v%s\n\n' "$KUBERNETES_VERSION"
  grep -oE 'k8s.io/[a-z-]+ => ./staging' "$module/go.mod" | awk '{print $1}' | sort -u |
    sed "s#.*#replace & => & v0.${KUBERNETES_VERSION#1.}#"
} > go.mod
{
  printf '//go:build tools\n\npackage tools\n\nimport (\n'
  for tool in $tools; do printf '\t_ "k8s.io/kubernetes/cmd/%s"\n' "$tool"; done
  echo ')'
} > tools.go

export GOFLAGS=-mod=mod
go mod tidy
version=k8s.io/component-base/version
minor=${KUBERNETES_VERSION#1.}
go build -trimpath -o "$dir/bin/" -ldflags "-s -w -X $version.gitVersion=v$KUBERNETES_VERSION -X $version.gitMajor=1 \
  -X $version.gitMinor=${minor%%.*} -X $version.gitTreeState=clean" $(printf 'k8s.io/kubernetes/cmd/%s ' $tools)
GOFLAGS='' GOBIN=$dir/bin go install -trimpath -ldflags '-s -w' "github.com/coredns/coredns@v$coredns"
echo "$wanted" > "$dir/built"
