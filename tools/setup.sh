#!/bin/sh
# Set up .venv, once. A stamp keyed on the lock, pyproject.toml and this folder makes repeats instant.
#
#   tools/setup.sh runtime   what the engine needs to run    (requirements.lock)
#   tools/setup.sh dev       that, and tests, lint and docs  (requirements-dev.lock)
#
# PYTHON names the interpreter (default python3, 3.11 or later). Needs pip or ensurepip, nothing else.
set -eu
cd "$(dirname "$0")/.."
here=$(pwd -P)
kind=${1:?runtime or dev}
python=${PYTHON:-python3}
venv_python=.venv/bin/python

lock_of() { [ "$1" = dev ] && echo requirements-dev.lock || echo requirements.lock; }
stamp_of() {
    echo ".venv/.setup-$1-$({ echo "$here"; cat requirements-uv.lock "$(lock_of "$1")" pyproject.toml; } |
        sha256sum | cut -c1-16)"
}

create_venv() {
    "$python" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null || {
        echo "setup: Steelyard needs Python 3.11 or later; '$python' is not. Name one: make PYTHON=/path/to/python3.11 ..." >&2
        exit 2
    }
    # The interpreter's own pip can fill a bare environment, which also works where ensurepip is
    # packaged apart; an interpreter without pip brings its bundled one.
    rm -rf .venv
    if "$python" -m pip --version >/dev/null 2>&1; then
        "$python" -m venv --without-pip .venv
        pip="$python -m pip --python $venv_python"
    else
        "$python" -m venv .venv
        pip="$venv_python -m pip"
    fi
    $pip install --quiet --disable-pip-version-check --require-hashes -r requirements-uv.lock
}

# A moved or copied folder carries scripts that point to the old place, so it starts afresh.
is_usable() {
    [ -x .venv/bin/uv ] && grep -qsF "$here/.venv" .venv/bin/activate &&
        $venv_python -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null
}

install() {
    echo "setup: installing $(lock_of "$kind") into .venv" >&2
    is_usable || create_venv
    .venv/bin/uv pip install --quiet --python $venv_python --require-hashes -r "$(lock_of "$kind")"
    # hatchling comes from the lock, so the build needs no download of its own.
    .venv/bin/uv pip install --quiet --python $venv_python --no-deps --no-build-isolation -e .
    rm -f .venv/.setup-"$kind"-*
    touch "$(stamp_of "$kind")"
}

# Compile the kernels before the first tick, and again only when a file that holds kernels changes.
warm() {
    key=$(grep -rlE --include='*.py' '^(import|from) numba' src | LC_ALL=C sort | xargs cat /dev/null | sha256sum | cut -c1-16)
    [ -e ".venv/.warm-$key" ] && return
    .venv/bin/steelyard doctor --help >/dev/null 2>&1 || return 0
    echo "setup: compiling the kernels, once" >&2
    if .venv/bin/steelyard doctor --warm >/dev/null; then
        rm -f .venv/.warm-*
        touch ".venv/.warm-$key"
    else
        echo "setup: the kernels could not be compiled ahead; they compile at first use" >&2
    fi
}

if is_usable && { [ -e "$(stamp_of "$kind")" ] || [ -e "$(stamp_of dev)" ]; }; then :; else install; fi
warm
