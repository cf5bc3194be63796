"""What `python3 -I /usr/lib/thongmang-agent` starts: the agent's command line, from this folder alone."""

import os
import sys

FOLDER = os.path.dirname(os.path.abspath(__file__))  # noqa: PTH100, PTH120  # pathlib is not wanted by all commands

if __name__ == "__main__":
    # -I keeps the caller's folder and environment out of this process; its own children are told where the agent lies.
    os.environ["PYTHONPATH"] = FOLDER
    os.environ["PYTHONSAFEPATH"] = "1"
    from agent.__main__ import main

    sys.exit(main(["agent", *sys.argv[1:]]))
