"""Starts real collectors quickly: everything is imported once, and each collector is a fork that has started no thread.

Reads `start` lines, answers each with the new process's number; each collector runs until it is killed.
"""

from __future__ import annotations

import os
import signal
import sys
import time
from pathlib import Path

from collector.app import Collector
from collector.settings import load_settings


def main(state: Path) -> None:
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)
    sys.stdout.write("ready\n")
    sys.stdout.flush()
    for _ in sys.stdin:
        number = os.fork()
        if number == 0:
            devnull = os.open(os.devnull, os.O_RDWR)
            os.dup2(devnull, 0)
            Collector(state, load_settings(state / "collector.toml")).start()
            while True:
                time.sleep(60)
        sys.stdout.write(f"{number}\n")
        sys.stdout.flush()


main(Path(sys.argv[1]))
