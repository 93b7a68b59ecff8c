#!/usr/bin/env bash
# Makes a machine ready for Ray and vadray: run on each by the launcher, and once more whenever what it copied changed.
#
#   bash ~/vadray/cluster/setup_node.sh [PACKAGE…]     further packages, such as a cloud's SDK for the head
#
# Wants Linux with Python 3.11 to 3.13, and NVIDIA's driver where there is a GPU; CUDA comes with TensorFlow.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
environment=$HOME/vadray-environment

chmod 600 "$HOME/.ray/auth_token"  # the copy has the rights of the original, which Ray writes readable to all

if ! python3 -c 'import ensurepip' 2> /dev/null; then
    # a machine that has just started may still be installing by itself
    sudo apt-get -qq -o DPkg::Lock::Timeout=300 update
    sudo apt-get -qq -o DPkg::Lock::Timeout=300 install -y python3-venv
fi
[ -x "$environment/bin/python" ] || python3 -m venv "$environment"

extra=
if command -v nvidia-smi > /dev/null; then extra='[gpu]'; fi
"$environment/bin/python" -m pip install --quiet -c constraints.txt ".$extra" "$@"
# compiled once: TensorFlow imports three times slower where it is not
"$environment/bin/python" -m compileall -q "$environment/lib" > /dev/null 2>&1 || true

line=". $PWD/cluster/environment.sh"
grep -qxF "$line" "$HOME/.bashrc" 2> /dev/null || echo "$line" >> "$HOME/.bashrc"
