#!/usr/bin/env bash
# Makes the environments of the peers that are not PyTorch: .bench-jax and .bench-tf, at the root of the repository.
#
# Usage: benchmarks/make_peers.sh [jax] [tf]     (both when none is named)
#
# PYTHON chooses the interpreter (3.11 or newer). Environments that exist get the pinned versions, should they lack them.
# TensorFlow is a large download; where .goldens-venv (`make goldens`) exists, the benchmark uses that one as well.
set -euo pipefail

here=$(cd "$(dirname "$0")" && pwd)
root=$here/..
python=${PYTHON:-python3}

make_environment() { # folder, requirements
    if [ ! -x "$root/$1/bin/python" ]; then
        "$python" -m venv "$root/$1"
    fi
    # Pins of the project's own environment are not for this one.
    env -u PIP_CONSTRAINT -u PIP_BUILD_CONSTRAINT \
        "$root/$1/bin/python" -m pip install --quiet --disable-pip-version-check --requirement "$2"
}

[ $# -gt 0 ] || set -- jax tf
for peer in "$@"; do
    case $peer in
    jax) make_environment .bench-jax "$here/requirements-jax.txt" ;;
    tf) make_environment .bench-tf "$root/tests/goldens/requirements.txt" ;;
    *)
        echo "make_peers.sh: expected jax or tf, got $peer" >&2
        exit 2
        ;;
    esac
done
