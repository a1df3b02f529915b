#!/bin/sh
# Prepares what the tests need beside the Rust toolchain, under target/lab. Run it as often as you like.
#   target/lab/venv    Python with a scriptable mail server and a calendar parser
#   target/lab/certs   throwaway certificates for localhost (cert.pem, key.pem) and an unrelated one (other.pem)
set -eu
cd "$(dirname "$0")/../.."
lab="${CARGO_TARGET_DIR:-target}/lab"
mkdir -p "$lab"
exec 9>"$lab/setup.lock"
if command -v flock >/dev/null; then flock 9; fi

python="$lab/venv/bin/python"
if ! "$python" -c 'import aiosmtpd, icalendar' 2>/dev/null; then
    python3 -m venv --clear "$lab/venv"
    "$python" -m pip install --quiet --disable-pip-version-check aiosmtpd==1.4.6 icalendar==7.3.0
fi

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
