#!/bin/sh
# Makes the virtual environment. Debian keeps venv in a package of its own: install it when allowed, else say how.
set -eu
if ! "$PYTHON" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null; then
    echo "Thông Mạng's collector needs Python 3.11 or newer as '$PYTHON'; found: $("$PYTHON" --version 2>&1 || echo none)." >&2
    exit 1
fi
if ! "$PYTHON" -c 'import ensurepip, venv' 2>/dev/null; then
    if [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null; then
        echo "Installing Debian's python3-venv, which this machine lacks ..."
        apt-get update -qq
        DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends python3-venv >/dev/null
    else
        echo "This Python has no venv module. As root: apt-get install python3-venv   then run make again." >&2
        exit 1
    fi
fi
echo "Making the virtual environment $VENV ..."
"$PYTHON" -m venv "$VENV"
