"""A sub-agent for snmpd's `pass_persist`: serves the objects that a JSON file holds at the moment of the question."""

from __future__ import annotations

import json
import sys
from pathlib import Path


def numbers(name):
    return tuple(int(part) for part in name.strip(".").split("."))


def main(path):
    """Answers until its input ends; the protocol is in snmpd.conf(5)."""
    while True:
        command = sys.stdin.readline().strip()
        if not command:
            return
        if command == "PING":
            answer = ["PONG"]
        else:
            asked = numbers(sys.stdin.readline())
            objects = {numbers(name): value for name, value in json.loads(Path(path).read_text()).items()}
            found = asked if command == "get" else min((name for name in objects if name > asked), default=None)
            kind, value = objects.get(found, (None, None))
            answer = ["NONE"] if kind is None else ["." + ".".join(map(str, found)), kind, str(value)]
        sys.stdout.write("\n".join(answer) + "\n")
        sys.stdout.flush()


if __name__ == "__main__":
    main(sys.argv[1])
