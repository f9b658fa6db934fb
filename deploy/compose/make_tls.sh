#!/usr/bin/env bash
# Makes what compose.tls.yaml mounts, for a cluster of one host:
#   deploy/compose/make_tls.sh [DIR [HOST...]]
# DIR, by default tls beside this script, gets a folder for each service, with no more in it than the service needs:
# coordinator, worker, prometheus; operator, for whoever uses pacictl, with a token of the role submit; and authority,
# with its key and the certificate of an admin, which no service needs. HOST: further names of the coordinator.
# Run again, it makes new certificates and new tokens, which daemons take up by themselves; other users' lines in
# coordinator/tokens stay.
# Containers run as users of their own. As root, this gives each folder to its user; as somebody else it lets everybody
# of this host read the keys.
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
dir=${1:-$here/tls}
[ $# -gt 0 ] && shift
umask 077
mkdir -p "$dir"/{authority,coordinator,worker,prometheus,operator}
"$here/../tls/make_certs.sh" "$dir/authority" coordinator "$@"

# TO FILE...
give() {
  local to=$1 file
  shift
  for file in "$@"; do
    cp "$dir/authority/$file" "$dir/$to/$file.new"
    mv "$dir/$to/$file.new" "$dir/$to/$file"
  done
}
# NAME ROLE: a token goes into NAME's folder, and its line is printed.
make_token() {
  local token
  token=$(openssl rand -hex 32)
  printf '%s\n' "$token" > "$dir/$1/token"
  echo "$1 $2 $(printf %s "$token" | sha256sum | cut -d ' ' -f 1)"
}

give coordinator ca.pem coordinator.key coordinator.pem
give worker ca.pem worker.key worker.pem metrics.key metrics.pem
give prometheus ca.pem
give operator ca.pem
reader=$(make_token prometheus view)
others=$(grep -vE '^(prometheus|operator) ' "$dir/coordinator/tokens" 2> /dev/null || true)
printf '%s\n' "$reader" "$(make_token operator submit)" "$others" > "$dir/coordinator/tokens.new"
printf '%s\n' "$reader" > "$dir/worker/tokens.new"
for owner in coordinator worker; do mv "$dir/$owner/tokens.new" "$dir/$owner/tokens"; done

if [ "$(id -u)" = 0 ]; then
  chown -R 10001:10001 "$dir"/{coordinator,worker,operator}
  chown -R 65534:65534 "$dir/prometheus" # nobody
else
  chmod -R a+rX "$dir"/{coordinator,worker,operator,prometheus}
fi
chmod a+x "$dir"
