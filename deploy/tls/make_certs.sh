#!/usr/bin/env bash
# Makes a certificate authority and what a cluster needs of it, for development and for sites without an authority of
# their own:
#   deploy/tls/make_certs.sh DIR [HOST...]
# DIR gets ca.pem, and with their keys (*.key, readable by their owner only) coordinator.pem, worker.pem, admin.pem and
# metrics.pem. The last is of nobody in particular, for the --metrics of workers: its name is paci-metrics.
# HOST: names or addresses by which the coordinator is dialled; localhost, 127.0.0.1 and ::1 are always among them.
# The authority's key stays in DIR/ca.key: whoever has it can be anybody. Run again, it makes new certificates of the
# same authority, which daemons take up by themselves. A certificate says its owner's role in a URI, spiffe://paci/ROLE.
set -euo pipefail
[ $# -ge 1 ] || { sed -n '2,10s/^# \?//p' "$0" >&2; exit 2; }
dir=$1
shift
mkdir -p "$dir"
umask 077
days=825

names="DNS:localhost,IP:127.0.0.1,IP:::1"
for host in "$@"; do
  case "$host" in
    *:* | *[0-9].*[0-9].*[0-9].*[0-9]) names+=",IP:$host" ;;
    *) names+=",DNS:$host" ;;
  esac
done

new_key() { openssl genpkey -algorithm EC -pkeyopt ec_paramgen_curve:P-256 -out "$1" 2> /dev/null; }

if [ ! -f "$dir/ca.key" ]; then
  new_key "$dir/ca.key"
  openssl req -x509 -new -key "$dir/ca.key" -days 3650 -subj "/CN=paci authority" \
    -addext "basicConstraints=critical,CA:TRUE" -addext "keyUsage=critical,keyCertSign,cRLSign" -out "$dir/ca.pem"
fi

# OWNER, subjectAltName. Written beside and renamed, so that nobody reads half a file; the key first, because a pair that
# does not match is not taken up.
make_certificate() {
  local owner=$1 alternatives=$2
  new_key "$dir/$owner.key.new"
  openssl req -new -key "$dir/$owner.key.new" -subj "/CN=paci $owner" 2> /dev/null |
    openssl x509 -req -CA "$dir/ca.pem" -CAkey "$dir/ca.key" -days "$days" -out "$dir/$owner.pem.new" \
      -extfile <(printf 'subjectAltName=%s\nkeyUsage=critical,digitalSignature\nextendedKeyUsage=serverAuth,clientAuth\n' \
        "$alternatives") 2> /dev/null
  mv "$dir/$owner.key.new" "$dir/$owner.key"
  mv "$dir/$owner.pem.new" "$dir/$owner.pem"
}

make_certificate coordinator "$names"
make_certificate worker "URI:spiffe://paci/worker"
make_certificate admin "URI:spiffe://paci/admin"
make_certificate metrics "DNS:paci-metrics"
chmod 644 "$dir"/*.pem
rm -f "$dir"/ca.srl
