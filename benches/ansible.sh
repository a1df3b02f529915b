#!/bin/sh
# A Python environment with Ansible, for `cargo bench --bench ssh`: target/lab/ansible. What is there is kept.
set -eu
cd "$(dirname "$0")/.."
version=2.17.7
venv="${CARGO_TARGET_DIR:-target}/lab/ansible"
# One that was copied from elsewhere runs what is there.
if head -n 1 "$venv/bin/ansible" 2>/dev/null | grep -qF "$(realpath "$venv")/" &&
    "$venv/bin/ansible" --version | grep -qF "ansible [core $version]"; then
    exit
fi
python3 -m venv --clear "$venv"
"$venv/bin/python" -m pip install --quiet --disable-pip-version-check --no-input "ansible-core==$version"
echo "ansible-core $version in $venv"
