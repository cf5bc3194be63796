#!/bin/sh
# Everything on this Python, then the agent's part again on Python 3.8 where an interpreter is found.
set -eu
"$BIN/pytest" -q -n 2 --dist loadgroup "$@"

old=""
for candidate in python3.8 "${PYENV_ROOT:-$HOME/.pyenv}"/versions/3.8.*/bin/python3.8; do
    if "$candidate" -c 'import sys; sys.exit(sys.version_info[:2] != (3, 8))' 2>/dev/null; then
        old=$candidate
    fi
done
if [ -z "$old" ]; then
    echo "No Python 3.8 here: the agent was tested on $("$BIN/python" --version) only."
    exit 0
fi
if [ ! -x .venv-py38/bin/pytest ] || [ locks/agent-tests.txt -nt .venv-py38/installed ]; then
    echo "Installing what the agent's tests need into .venv-py38 (versions pinned in locks/agent-tests.txt) ..."
    "$old" -m venv .venv-py38
    .venv-py38/bin/pip --disable-pip-version-check --quiet install --require-hashes -r locks/agent-tests.txt
    touch .venv-py38/installed
fi
echo "The agent on Python 3.8:"
PYTHONPATH=. .venv-py38/bin/python -m pytest -q -c tests/agent/pytest.ini --rootdir . tests/agent tests/wire
