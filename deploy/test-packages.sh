#!/bin/sh
# Installs the Debian packages that the tests need, saying so; where that is not allowed, says what to do.
set -eu
needed=""
want() { command -v "$1" >/dev/null 2>&1 || [ -x "/usr/sbin/$1" ] || needed="$needed $2"; }
want influxd influxdb
want chromium chromium
want dmidecode dmidecode
want pdftotext poppler-utils
want ip iproute2
want prometheus-alertmanager prometheus-alertmanager
want snmpd snmpd
want iperf3 iperf3
want systemd-analyze systemd
want strace strace
# Node, which drives the browser in the tests, is linked against it.
[ -e /usr/lib/x86_64-linux-gnu/libatomic.so.1 ] || [ -e /usr/lib/aarch64-linux-gnu/libatomic.so.1 ] || needed="$needed libatomic1"
[ -z "$needed" ] && exit 0
if [ "$(id -u)" != 0 ] || ! command -v apt-get >/dev/null; then
    echo "The tests need these Debian packages:$needed" >&2
    echo "As root: apt-get install$needed   then run make test again." >&2
    echo "Or skip what needs them: THONGMANG_ALLOW_MISSING=1 make test" >&2
    [ "${THONGMANG_ALLOW_MISSING:-}" = 1 ] && exit 0
    exit 1
fi
echo "Installing the Debian packages that the tests need:$needed ..."
apt-get update -qq
# shellcheck disable=SC2086 # a list of words
DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends $needed >/dev/null
