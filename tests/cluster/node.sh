#!/usr/bin/env bash
# A Kubernetes node with its control plane. cluster.sh starts it as the first process of network, mount and process
# namespaces of its own, so that interfaces, firewall rules, mounts and processes end with it.
# Logs and images are in $1 (.run/cluster), containers in the control group $2; everything else is in memory.
set -euo pipefail
dir=$1
cgroup=$2
bin=$PWD/.deps/kubernetes/bin
node_address=10.97.0.1
dns_address=10.96.0.10

mount --make-rshared /
for hidden in /run /var/log /var/lib; do mount -t tmpfs tmpfs "$hidden"; done
state=/run/cluster
mkdir -p $state/certs $state/cni /run/lock /run/netns "$dir/log"
export KUBECONFIG=$state/kubeconfig

start() {
  local name=$1
  shift
  "$@" > "$dir/log/$name.log" 2>&1 &
}

# The node asks the cluster's DNS, as pods do, and reaches services by their names.
names() {
  printf 'nameserver %s\nsearch svc.cluster.local cluster.local\noptions ndots:5\n' $dns_address > $state/resolv.conf
  mount --bind $state/resolv.conf /etc/resolv.conf
}

await() {
  local what=$1 deadline=$((SECONDS + 120))
  shift
  until "$@" > /dev/null 2>&1; do
    [ $SECONDS -lt $deadline ] || { echo "cluster: $what did not come up, see $dir/log" >&2; exit 1; }
    sleep 0.2
  done
}

network() {
  ip link set lo up
  ip link add node0 type bridge
  ip address add $node_address/24 dev node0
  ip link set node0 up
  ip route add default dev node0
  echo 1 > /proc/sys/net/ipv4/ip_forward
}

credentials() {
  local token
  token=$(openssl rand -hex 16)
  echo "$token,admin,admin,system:masters" > $state/tokens.csv
  openssl genrsa -out $state/certs/sa.key 2048
  # With this certificate the API server reaches the kubelet, for logs and exec.
  openssl req -x509 -newkey rsa:2048 -nodes -days 2 -subj /CN=cluster -keyout $state/certs/ca.key -out $state/certs/ca.crt
  openssl req -newkey rsa:2048 -nodes -subj /O=system:masters/CN=apiserver -keyout $state/certs/client.key \
    -out $state/certs/client.csr
  openssl x509 -req -days 2 -in $state/certs/client.csr -CA $state/certs/ca.crt -CAkey $state/certs/ca.key \
    -CAcreateserial -out $state/certs/client.crt
  cat > $KUBECONFIG <<YAML
apiVersion: v1
kind: Config
clusters: [{name: one, cluster: {server: "https://127.0.0.1:6443", insecure-skip-tls-verify: true}}]
users: [{name: admin, user: {token: "$token"}}]
contexts: [{name: one, context: {cluster: one, user: admin}}]
current-context: one
YAML
}

control_plane() {
  start etcd etcd --data-dir $state/etcd --listen-client-urls http://127.0.0.1:2379 \
    --advertise-client-urls http://127.0.0.1:2379 --listen-peer-urls http://127.0.0.1:2380 --unsafe-no-fsync
  start apiserver "$bin/kube-apiserver" --etcd-servers=http://127.0.0.1:2379 --advertise-address=$node_address \
    --service-cluster-ip-range=10.96.0.0/16 --cert-dir=$state/certs --secure-port=6443 --allow-privileged \
    --service-account-issuer=https://kubernetes.default.svc --service-account-key-file=$state/certs/sa.key \
    --service-account-signing-key-file=$state/certs/sa.key --token-auth-file=$state/tokens.csv \
    --authorization-mode=Node,RBAC --kubelet-preferred-address-types=InternalIP \
    --kubelet-client-certificate=$state/certs/client.crt \
    --kubelet-client-key=$state/certs/client.key
  await "the API server" "$bin/kubectl" get --raw /readyz
  start controllers "$bin/kube-controller-manager" --kubeconfig=$KUBECONFIG --use-service-account-credentials \
    --service-account-private-key-file=$state/certs/sa.key --root-ca-file=$state/certs/apiserver.crt \
    --cluster-cidr=10.244.0.0/24 --leader-elect=false --cert-dir=$state/certs
  start scheduler "$bin/kube-scheduler" --kubeconfig=$KUBECONFIG --leader-elect=false --cert-dir=$state/certs
}

# Containers' pause image is busybox in an otherwise empty one.
pause_image() {
  local rootfs=$state/pause
  mkdir -p $rootfs/bin
  cp "$(command -v busybox)" $rootfs/bin/
  tests/cluster/image.py localhost/pause:1 $rootfs --command '/bin/busybox sleep 2147483647' > $state/pause.tar
  ctr -a $state/containerd.sock -n k8s.io image import $state/pause.tar
}

containers() {
  cat > $state/cni/pods.conflist <<JSON
{"cniVersion": "0.4.0", "name": "pods", "plugins": [
  {"type": "bridge", "bridge": "pods0", "isGateway": true, "ipMasq": true, "hairpinMode": true,
   "ipam": {"type": "host-local", "ranges": [[{"subnet": "10.244.0.0/24"}]], "routes": [{"dst": "0.0.0.0/0"}]}},
  {"type": "portmap", "capabilities": {"portMappings": true}},
  {"type": "firewall", "backend": "iptables"}]}
JSON
  cat > $state/containerd.toml <<TOML
version = 2
root = "$dir/containerd"
state = "$state/containerd"
[grpc]
  address = "$state/containerd.sock"
[plugins."io.containerd.grpc.v1.cri"]
  sandbox_image = "localhost/pause:1"
  restrict_oom_score_adj = true
  [plugins."io.containerd.grpc.v1.cri".cni]
    bin_dir = "/usr/lib/cni"
    conf_dir = "$state/cni"
TOML
  start containerd containerd --config $state/containerd.toml
  await containerd ctr -a $state/containerd.sock version
  pause_image > /dev/null
}

node() {
  cat > $state/kubelet.yaml <<YAML
apiVersion: kubelet.config.k8s.io/v1beta1
kind: KubeletConfiguration
authentication: {anonymous: {enabled: false}, webhook: {enabled: true}, x509: {clientCAFile: $state/certs/ca.crt}}
authorization: {mode: Webhook}
cgroupDriver: cgroupfs
cgroupRoot: /$cgroup
failSwapOn: false
failCgroupV1: false
containerRuntimeEndpoint: unix://$state/containerd.sock
clusterDNS: [$dns_address]
clusterDomain: cluster.local
imageGCHighThresholdPercent: 100
evictionHard: {memory.available: 100Mi, nodefs.available: 1%, imagefs.available: 1%}
enforceNodeAllocatable: []
syncFrequency: 5s
YAML
  start kubelet "$bin/kubelet" --config=$state/kubelet.yaml --kubeconfig=$KUBECONFIG --root-dir=/var/lib/kubelet \
    --cert-dir=$state/certs --hostname-override=node --node-ip=$node_address
  cat > $state/proxy.yaml <<YAML
apiVersion: kubeproxy.config.k8s.io/v1alpha1
kind: KubeProxyConfiguration
clientConnection: {kubeconfig: $KUBECONFIG}
clusterCIDR: 10.244.0.0/24
hostnameOverride: node
mode: iptables
conntrack: {maxPerCore: 0, min: 0}
YAML
  start proxy "$bin/kube-proxy" --config=$state/proxy.yaml
  await "the node" "$bin/kubectl" wait --for=condition=Ready node/node --timeout=2s
}

# CoreDNS runs beside the kubelet, where the usual service address of cluster DNS leads.
dns() {
  "$bin/kubectl" create -f - > /dev/null <<YAML
apiVersion: v1
kind: Service
metadata: {name: kube-dns, namespace: kube-system}
spec:
  clusterIP: $dns_address
  ports: [{name: dns, port: 53, protocol: UDP, targetPort: 5353}, {name: dns-tcp, port: 53, targetPort: 5353}]
---
apiVersion: discovery.k8s.io/v1
kind: EndpointSlice
metadata: {name: kube-dns, namespace: kube-system, labels: {kubernetes.io/service-name: kube-dns}}
addressType: IPv4
ports: [{name: dns, port: 5353, protocol: UDP}, {name: dns-tcp, port: 5353, protocol: TCP}]
endpoints: [{addresses: [$node_address], conditions: {ready: true}}]
YAML
  cat > $state/Corefile <<TEXT
.:5353 {
  errors
  kubernetes cluster.local in-addr.arpa {
    kubeconfig $KUBECONFIG one
    ttl 5
  }
}
TEXT
  start coredns "$bin/coredns" -conf $state/Corefile
}

network
names
credentials 2> /dev/null
control_plane
containers
node
dns
touch "$dir/ready"
wait
