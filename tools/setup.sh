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
quiet=--quiet
[ ! -t 2 ] || quiet=

lock_of() { [ "$1" = dev ] && echo requirements-dev.lock || echo requirements.lock; }
stamp_of() {
    echo ".venv/.setup-$1-$({ echo "$here"; cat requirements-uv.lock "$(lock_of "$1")" pyproject.toml; } |
        sha256sum | cut -c1-16)"
}
version_of() { "$1" -c 'import sys; print(sys.version_info >= (3, 11), sys.version_info[:2])' 2>/dev/null || :; }

# A moved or copied folder carries scripts that point to the old place, so it starts afresh; so does
# one made with another Python than the one asked for.
is_usable() {
    [ -x .venv/bin/uv ] && grep -qsF "$here/.venv" .venv/bin/activate || return 1
    case $(version_of .venv/bin/python) in True*) ;; *) return 1 ;; esac
    [ -z "${PYTHON:-}" ] || [ "$(version_of "$PYTHON")" = "$(version_of .venv/bin/python)" ]
}

# The interpreter's own pip can fill a bare environment, which also works where ensurepip is
# packaged apart; an interpreter without pip brings its bundled one.
has_pip() { "$python" -m pip --version >/dev/null 2>&1; }
with_pip() {
    if has_pip; then set -- "$python" -m pip --python .venv/bin/python install "$@"
    else set -- .venv/bin/python -m pip install "$@"; fi
    "$@" --quiet --disable-pip-version-check
}

create_venv() {
    case $(version_of "$python") in
    True*) ;;
    *)
        echo "setup: Steelyard needs Python 3.11 or later; '$python' is not." \
            "Name one: make PYTHON=/path/to/python3.11 ..." >&2
        exit 2
        ;;
    esac
    rm -rf .venv
    if has_pip; then "$python" -m venv --without-pip .venv; else "$python" -m venv .venv; fi
    with_pip --require-hashes -r requirements-uv.lock
}

# pip is slower but knows certificates and mirrors that uv may not have been told of.
fetch() {
    .venv/bin/uv pip install $quiet --python .venv/bin/python "$@" || {
        echo "setup: uv could not install; trying pip" >&2
        with_pip "$@"
    }
}

install() {
    echo "setup: installing $(lock_of "$kind") into .venv" >&2
    is_usable || create_venv
    fetch --require-hashes -r "$(lock_of "$kind")"
    fetch --no-deps --no-build-isolation -e . # hatchling comes from the lock: nothing unhashed
    rm -f .venv/.setup-"$kind"-*
    touch "$(stamp_of "$kind")"
}

# Compile the kernels before the first tick, and again only when a file that holds kernels changes.
warm() {
    key=$(grep -rlE --include='*.py' '^(import|from) numba' src | LC_ALL=C sort | xargs cat /dev/null |
        sha256sum | cut -c1-16)
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

# The page is built from its sources, once for each state of them. Node comes from the system or, where it
# has none that fits, from PyPI. Without the page everything else works, and the demo says so.
page() {
    [ -d dashboard ] && [ -e tools/page.py ] || return 0
    .venv/bin/python -m tools.page --check >/dev/null 2>&1 && return
    if ! .venv/bin/python -m tools.page --has-node >/dev/null 2>&1; then
        fetch --require-hashes -r requirements-page.lock || :
    fi
    .venv/bin/python -m tools.page >&2 || echo "setup: the page was not built; the API and the terminal work" >&2
}

if is_usable && { [ -e "$(stamp_of "$kind")" ] || [ -e "$(stamp_of dev)" ]; }; then :; else install; fi
warm
page
