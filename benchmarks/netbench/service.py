"""The service that terminals use: answers every HTTP request after a delay that standard input sets.

    python -m benchmarks.netbench.service --port 8080

A line with a number sets the delay in milliseconds. Its queue of new connections is as short as can be: when the
process is stopped (SIGSTOP), connects soon fail, as with a service that hangs.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import socket
import sys

_ANSWER = b"HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: 3\r\nConnection: close\r\n\r\nok\n"
# Linux lets one connection more than the backlog wait.
BACKLOG = 1


class Service:
    """Answers after `delay_seconds`."""

    def __init__(self) -> None:
        self.delay_seconds = 0.0

    async def answer(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """One request."""
        with contextlib.suppress(OSError, asyncio.IncompleteReadError, asyncio.LimitOverrunError):
            await reader.readuntil(b"\r\n\r\n")
            await asyncio.sleep(self.delay_seconds)
            writer.write(_ANSWER)
            await writer.drain()
        with contextlib.suppress(OSError):
            writer.close()

    async def listen_to_control(self) -> None:
        """Takes delays until standard input ends."""
        reader = asyncio.StreamReader()
        loop = asyncio.get_running_loop()
        await loop.connect_read_pipe(lambda: asyncio.StreamReaderProtocol(reader), sys.stdin)
        while line := await reader.readline():
            self.delay_seconds = float(line) / 1000


async def serve(port: int) -> None:
    """Works until standard input ends."""
    service = Service()
    listener = socket.create_server(("0.0.0.0", port), backlog=BACKLOG)
    server = await asyncio.start_server(service.answer, sock=listener, backlog=BACKLOG)
    async with server:
        await service.listen_to_control()


def main(argv: list[str] | None = None) -> int:
    """Runs the service; returns the exit code."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.netbench.service", description=__doc__)
    parser.add_argument("--port", type=int, required=True)
    options = parser.parse_args(argv)
    with contextlib.suppress(KeyboardInterrupt):
        asyncio.run(serve(options.port))
    return 0


if __name__ == "__main__":
    sys.exit(main())
