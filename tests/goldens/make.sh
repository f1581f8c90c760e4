#!/usr/bin/env bash
# Makes the golden files again: an environment of its own with TensorFlow, then every case run on it.
#
# Usage: tests/goldens/make.sh [MODULE...]     (all modules of tests/goldens/cases when none is named)
#        tests/goldens/make.sh checkpoints     (the files in tests/goldens/checkpoints)
#
# The environment is the folder .goldens-venv at the root of the repository, or where GOLDENS_VENV says; PYTHON chooses
# the interpreter that makes it. It is used as it is when it already holds the pinned versions.
set -euo pipefail

here=$(cd "$(dirname "$0")" && pwd)
venv=${GOLDENS_VENV:-$here/../../.goldens-venv}
python=${PYTHON:-python3}

if [ ! -x "$venv/bin/python" ]; then
    "$python" -m venv "$venv"
fi
# Pins of the project's own environment are not for this one.
env -u PIP_CONSTRAINT -u PIP_BUILD_CONSTRAINT \
    "$venv/bin/python" -m pip install --quiet --disable-pip-version-check --requirement "$here/requirements.txt"

cd "$here/.."
if [ "$*" = checkpoints ]; then
    exec "$venv/bin/python" -m goldens.checkpoints.make
fi
exec "$venv/bin/python" -m goldens.make "$@"
