"""The builders of the agent's packages, started as people start them."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]


@pytest.fixture
def builder():
    """Runs a build script; the path that it names, or the words of its refusal."""

    def run(script, *words, refused=False, **variables):
        done = subprocess.run(
            [sys.executable, ROOT / "deploy" / "agent" / script, *map(str, words)],
            env={**os.environ, **variables},
            capture_output=True,
            text=True,
            timeout=100,
            check=False,
        )
        assert (done.returncode != 0) is refused, done.stdout + done.stderr
        return done.stderr if refused else Path(done.stdout.strip())

    return run
