#!/bin/sh
# Writes locks/*.txt from pyproject.toml: every version with its hashes, no index named, so that any mirror serves.
set -eu
compile() {
    out=$1; python=$2; shift 2
    "$BIN/uv" pip compile --quiet ${UPGRADE:---upgrade} --universal --generate-hashes --no-header --no-emit-index-url \
        --no-emit-find-links --python-version "$python" "$@" pyproject.toml --output-file "locks/$out.txt"
}
compile agent 3.8
compile agent-tests 3.8 --group agent-tests
compile collector 3.11 --extra collector --extra reports --group build
compile dev 3.11 --extra collector --extra reports --group dev --group learning
