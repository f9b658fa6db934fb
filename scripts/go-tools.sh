# To be sourced: what the tests of the chart take from Go modules, in which versions.
HELM_VERSION=3.22.0
KUBECONFORM_VERSION=0.7.0
KUBERNETES_VERSION=1.33.4  # what the cluster of tests/cluster runs
OLDEST_KUBERNETES=1.31.14  # the chart is validated against this one, which is the oldest that it takes,
NEWEST_KUBERNETES=1.37.2   # and this one
PROMETHEUS_OPERATOR_VERSION=0.85.0
CERT_MANAGER_VERSION=1.21.2

need_go() {
  local have
  have=$(go env GOVERSION 2> /dev/null | sed 's/^go//') || true
  if [ "$(printf '1.24\n%s\n' "${have:-0}" | sort -V | head -n 1)" != 1.24 ]; then
    echo "go-tools: Go 1.24 or newer is needed, found ${have:-none}" >&2
    return 1
  fi
}

module_dir() { go mod download -json "$1" | sed -n 's/.*"Dir": "\(.*\)".*/\1/p'; }

# Installs helm and kubeconform into .deps/go/bin, once.
install_go_tools() {
  local bin=$PWD/.deps/go/bin wanted="helm $HELM_VERSION, kubeconform $KUBECONFORM_VERSION"
  [ "$(cat .deps/go/built 2> /dev/null)" = "$wanted" ] && return 0
  need_go
  echo "go-tools: building $wanted"
  rm -rf .deps/go
  mkdir -p "$bin"
  GOBIN=$bin go install -trimpath \
    -ldflags "-s -w -X helm.sh/helm/v3/internal/version.version=v$HELM_VERSION" "helm.sh/helm/v3/cmd/helm@v$HELM_VERSION"
  GOBIN=$bin go install -trimpath -ldflags '-s -w' "github.com/yannh/kubeconform/cmd/kubeconform@v$KUBECONFORM_VERSION"
  echo "$wanted" > .deps/go/built
}
