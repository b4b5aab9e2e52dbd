#!/bin/bash
# A real Ceph gateway (S3) on this machine, for tests: one monitor, one OSD, one gateway, all on loopback, as processes of a DIR.
#   ceph-gateway.sh start DIR PORT MONITOR_PORT   sets up where DIR is empty, starts, and ends with a check (about 20 s)
#   ceph-gateway.sh kill-gateway DIR              SIGKILL to the gateway alone
#   ceph-gateway.sh start-gateway DIR PORT        starts it again, where the others still run
#   ceph-gateway.sh stop DIR                      ends the processes that it started
# OSD_STORE=memstore (default: nothing outlives the OSD) or bluestore (a file of OSD_SIZE bytes in DIR)
# Packages of Debian: ceph-mon ceph-osd ceph-common radosgw curl
set -euo pipefail
trap 'echo "ceph-gateway.sh: line $LINENO failed; see the logs in ${DIR:-}/log" >&2' ERR
WHAT=$1; DIR=$2; PORT=${3:-7480}; MON=127.0.0.1:${4:-6789}
STORE=${OSD_STORE:-memstore}; OSD_SIZE=${OSD_SIZE:-4294967296}
ACCESS=${S3_ACCESS_KEY:-cairntest}; SECRET=${S3_SECRET_KEY:-cairntestsecret}; BUCKET=${S3_BUCKET:-cairn-test}
export CEPH_CONF=$DIR/ceph.conf
C="--conf $DIR/ceph.conf"

stop() {
  for name in rgw osd mon; do
    if [ -f "$DIR/$name.pid" ]; then kill "$(cat "$DIR/$name.pid")" 2>/dev/null || true; fi
  done
  for name in rgw osd mon; do
    if [ -f "$DIR/$name.pid" ]; then
      pid=$(cat "$DIR/$name.pid"); for _ in $(seq 100); do kill -0 "$pid" 2>/dev/null || break; sleep 0.1; done
      kill -9 "$pid" 2>/dev/null || true; rm -f "$DIR/$name.pid"
    fi
  done
}

setup() {
  mkdir -p "$DIR"/{mon,osd,run,log,rgw}
  local fsid; fsid=$(cat /proc/sys/kernel/random/uuid)
  cat > "$DIR/ceph.conf" <<CONF
[global]
fsid = $fsid
mon host = v1:$MON
mon initial members = a
ms bind msgr2 = false
public addr = 127.0.0.1
auth cluster required = cephx
auth service required = cephx
auth client required = cephx
keyring = $DIR/keyring
run dir = $DIR/run
admin socket = $DIR/run/\$name.asok
log file = $DIR/log/\$name.log
pid file =
osd pool default size = 1
osd pool default min size = 1
osd pool default pg num = 4
osd pool default pgp num = 4
osd pool default pg autoscale mode = off
osd crush chooseleaf type = 0
mon allow pool size one = true
mon warn on pool no redundancy = false
mon max pg per osd = 1000
auth allow insecure global id reclaim = false
mon data avail crit = 1
mon osd full ratio = 0.97
setuser match path =
[mon]
mon data = $DIR/mon
[osd]
osd data = $DIR/osd
osd journal size = 64
osd objectstore = $STORE
memstore device bytes = $OSD_SIZE
bluestore block size = $OSD_SIZE
bluestore block create = true
bluestore fsck on mount = false
osd memory target = 1073741824
osd class load list = *
osd class default list = *
osd op num shards = 2
osd scrub begin hour = 0
osd max object name len = 2048
osd max object namespace len = 256
[client.rgw]
rgw data = $DIR/rgw
rgw frontends = beast endpoint=127.0.0.1:$PORT tcp_nodelay=1
rgw thread pool size = 64
rgw enable usage log = false
rgw enable ops log = false
rgw dynamic resharding = false
rgw gc obj min wait = 5
rgw gc processor period = 10
rgw lc debug interval = 10
rgw s3 auth use keystone = false
CONF
  ceph-authtool --create-keyring "$DIR/keyring" --gen-key -n mon. --cap mon 'allow *' >/dev/null
  ceph-authtool "$DIR/keyring" --gen-key -n client.admin --cap mon 'allow *' --cap osd 'allow *' --cap mgr 'allow *' >/dev/null
  ceph-authtool "$DIR/keyring" --gen-key -n osd.0 --cap mon 'allow profile osd' --cap osd 'allow *' >/dev/null
  ceph-authtool "$DIR/keyring" --gen-key -n client.rgw --cap mon 'allow rw' --cap osd 'allow rwx' >/dev/null
  monmaptool --create --fsid "$fsid" --addv a "[v1:$MON]" "$DIR/monmap" >/dev/null
  ceph-mon $C -i a --mkfs --monmap "$DIR/monmap" --keyring "$DIR/keyring"
}

spawn() { # name, command…
  local name=$1; shift
  setsid "$@" >"$DIR/log/$name.out" 2>&1 < /dev/null &
  echo $! > "$DIR/$name.pid"
}

ceph() { timeout 30 /usr/bin/ceph $C "$@"; }

start_gateway() {
  spawn rgw radosgw -f $C -n client.rgw
  for _ in $(seq 300); do curl -sf "http://127.0.0.1:$PORT/" >/dev/null 2>&1 && break; sleep 0.2; done
}

case $WHAT in
  stop) stop; exit 0;;
  kill-gateway) kill -9 "$(cat "$DIR/rgw.pid")"; exit 0;;
  start-gateway) start_gateway; exit 0;;
  start) ;;
  *) echo "usage: $0 start|stop|kill-gateway|start-gateway DIR [PORT] [MONITOR_PORT]" >&2; exit 2;;
esac
new=no; if [ ! -f "$DIR/ceph.conf" ]; then new=yes; setup; fi
spawn mon ceph-mon -f $C -i a
for _ in $(seq 100); do ceph -s >/dev/null 2>&1 && break; sleep 0.2; done
if [ "$new" = yes ] || [ "$STORE" = memstore ]; then
  [ "$new" = yes ] && ceph osd new "$(cat /proc/sys/kernel/random/uuid)" 0 >/dev/null
  if [ "$new" = yes ]; then
    ceph auth import -i "$DIR/keyring" >/dev/null 2>&1
    ceph osd crush add osd.0 1.0 root=default host=localhost >/dev/null 2>&1 || true
    ceph-osd $C -i 0 --mkfs --osd-uuid "$(ceph osd dump -f json | sed -n 's/.*"osd":0,"uuid":"\([^"]*\)".*/\1/p')" >/dev/null 2>"$DIR/log/mkfs.out"
  fi
fi
spawn osd ceph-osd -f $C -i 0
for _ in $(seq 150); do ceph osd stat 2>/dev/null | grep -q '1 up' && break; sleep 0.2; done
start_gateway
if [ "$new" = yes ]; then
  timeout 60 radosgw-admin $C -n client.admin user create --uid=cairn --display-name=cairn --access-key="$ACCESS" --secret-key="$SECRET" >/dev/null 2>"$DIR/log/user.out"
fi
# The check: make a bucket, put, get, compare. curl signs with SigV4 itself; 7.88 needs the hash header given.
S3=(curl -sS --fail --aws-sigv4 aws:amz:us-east-1:s3 --user "$ACCESS:$SECRET" -H 'x-amz-content-sha256: UNSIGNED-PAYLOAD')
"${S3[@]}" -X PUT "http://127.0.0.1:$PORT/$BUCKET" >/dev/null
echo hello-from-cairn > "$DIR/check"
"${S3[@]}" -T "$DIR/check" "http://127.0.0.1:$PORT/$BUCKET/check" >/dev/null
got=$("${S3[@]}" "http://127.0.0.1:$PORT/$BUCKET/check")
[ "$got" = hello-from-cairn ] || { echo "the check failed: $got" >&2; exit 1; }
printf 'ready: http://127.0.0.1:%s in %d s\n' "$PORT" "$((SECONDS))"
