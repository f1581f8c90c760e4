#!/usr/bin/env bash
# Builds the native core with AddressSanitizer and UndefinedBehaviorSanitizer into an environment of its own, and runs
# the native tests in it. PYTHON chooses the interpreter (default python3); arguments go to pytest. Needs GCC.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

home=build/sanitize
export PIP_CONSTRAINT=constraints.txt PIP_BUILD_CONSTRAINT=constraints.txt
"${PYTHON:-python3}" -m venv "$home"
"$home/bin/python" -m pip install --config-settings=cmake.define.DYNRNN_SANITIZE=ON '.[dev]'

# The runtimes must be there before Python is. Python's own memory is not what is looked for.
runtimes="$(gcc -print-file-name=libasan.so) $(gcc -print-file-name=libubsan.so)"
ASAN_OPTIONS=detect_leaks=0:detect_stack_use_after_return=0 UBSAN_OPTIONS=print_stacktrace=1 DYNRNN_THREADS=own \
	LD_PRELOAD="$runtimes" "$home/bin/python" -m pytest -p no:cacheprovider "${@:-tests/native}"
