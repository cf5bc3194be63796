#!/bin/sh
# Everything on this Python, and beside it the agent's part on Python 3.8 where an interpreter is found: many tests wait
# for processes, so that two cores have time for three workers and for that.
set -eu
old=""
for candidate in python3.8 "${PYENV_ROOT:-$HOME/.pyenv}"/versions/3.8.*/bin/python3.8; do
    if "$candidate" -c 'import sys; sys.exit(sys.version_info[:2] != (3, 8))' 2>/dev/null; then
        old=$candidate
    fi
done
if [ -n "$old" ] && { [ ! -x .venv-py38/bin/pytest ] || [ locks/agent-tests.txt -nt .venv-py38/installed ]; }; then
    echo "Installing what the agent's tests need into .venv-py38 (versions pinned in locks/agent-tests.txt) ..."
    "$old" -m venv .venv-py38
    .venv-py38/bin/pip --disable-pip-version-check --quiet install --require-hashes -r locks/agent-tests.txt
    touch .venv-py38/installed
fi
on_old() {
    PYTHONPATH=. .venv-py38/bin/python -m pytest -q -c tests/agent/pytest.ini --rootdir . tests/agent tests/wire
}
mkdir -p test-results
beside=""
if [ -n "$old" ]; then
    on_old >test-results/python-3.8.txt 2>&1 &
    beside=$!
fi
# A day of the soak takes some 20 s of processor time; its own command runs the whole week (docs/soak.md).
result=0
THONGMANG_SOAK_DAYS="${THONGMANG_SOAK_DAYS:-2}" "$BIN/pytest" -q -n 3 --dist loadgroup "$@" || result=$?
if [ -z "$old" ]; then
    echo "No Python 3.8 here: the agent was tested on $("$BIN/python" --version) only."
    exit "$result"
fi
wait "$beside" || result=$?
echo "The agent on Python 3.8:"
cat test-results/python-3.8.txt
exit "$result"
