# shellcheck shell=bash
# What services keep in memory or in a store of their own, as lines of text; runs on a configured host as root.
# Given: ETCD_PASSWORD of root, CACHE_USER and CACHE_PASSWORD of the cache's operator.
if systemctl is-active --quiet pgbouncer.service; then
  runuser -u postgres -- psql -XAtq -h /run/pgbouncer -p 6432 -U pgbouncer -d pgbouncer -c 'show config' | sed 's/^/pooler /'
fi
if systemctl is-active --quiet etcd.service; then
  export ETCDCTL_API=3 ETCDCTL_USER="root:$ETCD_PASSWORD" ETCDCTL_CACERT=/etc/ssl/platform/ca.crt
  export ETCDCTL_ENDPOINTS=https://127.0.0.1:2379
  etcdctl auth status | grep Status
  for user in $(etcdctl user list); do etcdctl user get "$user" | sed "s/^/etcd user $user /"; done
  for role in $(etcdctl role list); do etcdctl role get "$role" | sed "s/^/etcd role $role /"; done
fi
if systemctl is-active --quiet valkey-server.service; then
  export REDISCLI_AUTH="$CACHE_PASSWORD"
  valkey() { valkey-cli -e -s /run/valkey/valkey-server.sock --user "$CACHE_USER" "$@"; }
  # A sum in the place of each line: it holds the sum of a password.
  valkey acl list | while read -r word user rest; do echo "cache $word $user $(sha256sum <<<"$rest")"; done
  valkey config get '*' | paste - - | grep -v '^requirepass' | sed 's/^/cache /; s/[[:space:]]*$//'
fi
