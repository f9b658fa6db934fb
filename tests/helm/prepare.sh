#!/usr/bin/env bash
# Installs what the chart's test needs: helm and kubeconform, and the schemas that the chart is validated against, into .deps.
set -euo pipefail
cd "$(dirname "$0")/../.."
. scripts/go-tools.sh
install_go_tools

dir=.deps/schemas
wanted=$(sha256sum scripts/go-tools.sh tests/helm/schemas.py)
[ "$(cat $dir/built 2> /dev/null)" = "$wanted" ] && exit 0

need_go
echo "schemas: of Kubernetes $OLDEST_KUBERNETES and $NEWEST_KUBERNETES, of the Prometheus operator and of cert-manager"
rm -rf $dir
for version in $OLDEST_KUBERNETES $NEWEST_KUBERNETES; do
  module=$(module_dir "k8s.io/kubernetes@v$version")
  tests/helm/schemas.py kubernetes "$module/api/openapi-spec/swagger.json" "$dir/v$version"
done
operator=$(module_dir "github.com/prometheus-operator/prometheus-operator@v$PROMETHEUS_OPERATOR_VERSION")
manager=$(module_dir "github.com/cert-manager/cert-manager@v$CERT_MANAGER_VERSION")
mkdir -p $dir/crds
install -m 644 "$operator"/example/prometheus-operator-crd/monitoring.coreos.com_{servicemonitors,prometheusrules}.yaml \
  "$manager"/deploy/crds/cert-manager.io_{certificates,issuers}.yaml $dir/crds
tests/helm/schemas.py resources $dir/crds/*.yaml $dir/resources
echo "$OLDEST_KUBERNETES $NEWEST_KUBERNETES" > $dir/versions
echo "$wanted" > $dir/built
