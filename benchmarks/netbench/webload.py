"""Web-like traffic: pages come at random times (Poisson) and have heavy-tailed sizes (Pareto), each over its own TCP.

    python -m benchmarks.netbench.webload serve --port 5300
    python -m benchmarks.netbench.webload fetch --address 10.9.0.2 --port 5300 --bits-per-second 2200000 [--seed 1]

The sender uses cubic, as servers mostly do, whatever the kernel's default is.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import json
import random
import socket
import struct
import sys

PARETO_SHAPE = 1.6
MEAN_PAGE_BYTES = 60_000
LARGEST_PAGE_BYTES = 3_000_000
MOST_AT_ONCE = 300
STRATA = 64
_CHUNK = bytes(16_384)
_SIZE = struct.Struct("!I")


def mean_of_capped_pareto(smallest_bytes: float, largest_bytes: float, shape: float = PARETO_SHAPE) -> float:
    """Mean of Pareto sizes that are cut at `largest_bytes`."""
    tail: float = (smallest_bytes / largest_bytes) ** (shape - 1)
    return smallest_bytes * (shape - tail) / (shape - 1)


class Pages:
    """Sizes of pages, one after the other.

    Of every `STRATA` pages one comes from each equal part of the distribution, in random order: the tail is as heavy as
    it ought to be, and yet a load is as great as was asked for within half a minute.

    Args:
        draw: where chance comes from.
    """

    def __init__(self, draw: random.Random) -> None:
        self._draw = draw
        self._strata: list[int] = []
        # Scaled so that cutting the tail does not change the load.
        nominal = MEAN_PAGE_BYTES * (PARETO_SHAPE - 1) / PARETO_SHAPE
        self._smallest = nominal * MEAN_PAGE_BYTES / mean_of_capped_pareto(nominal, LARGEST_PAGE_BYTES)

    def next_bytes(self) -> int:
        """The next size; `MEAN_PAGE_BYTES` on the long run."""
        if not self._strata:
            self._strata = list(range(STRATA))
            self._draw.shuffle(self._strata)
        beyond = 1 - (self._strata.pop() + self._draw.random()) / STRATA
        return int(min(self._smallest * beyond ** (-1 / PARETO_SHAPE), LARGEST_PAGE_BYTES))


async def serve(port: int) -> None:
    """Sends every client as many bytes as it asks for."""

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(OSError, asyncio.IncompleteReadError):
            (wanted,) = _SIZE.unpack(await reader.readexactly(_SIZE.size))
            writer.transport.set_write_buffer_limits(high=len(_CHUNK) * 4)
            while wanted > 0:
                writer.write(_CHUNK[:wanted])
                wanted -= len(_CHUNK)
                await writer.drain()
        with contextlib.suppress(OSError):
            writer.close()

    listener = socket.create_server(("0.0.0.0", port), backlog=512)
    # Connections inherit it from the listener.
    listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_CONGESTION, b"cubic")
    server = await asyncio.start_server(answer, sock=listener)
    await server.serve_forever()


async def fetch(address: str, port: int, bits_per_second: float, seed: int) -> None:
    """Asks for pages until it is ended; a line of JSON every second tells how many came."""
    draw = random.Random(seed)
    pages = Pages(draw)
    rate = bits_per_second / 8 / MEAN_PAGE_BYTES
    tasks: set[asyncio.Task[None]] = set()
    counts = {"asked": 0, "done": 0, "failed": 0, "refused_too_many": 0, "bytes": 0}

    async def page(size: int) -> None:
        try:
            reader, writer = await asyncio.open_connection(address, port)
            writer.write(_SIZE.pack(size))
            while chunk := await reader.read(65_536):
                counts["bytes"] += len(chunk)
            writer.close()
            counts["done"] += 1
        except OSError:
            counts["failed"] += 1

    async def report() -> None:
        while True:
            await asyncio.sleep(1)
            sys.stdout.write(json.dumps({**counts, "open": len(tasks)}) + "\n")
            sys.stdout.flush()

    reporter = asyncio.create_task(report())
    loop = asyncio.get_running_loop()
    due = loop.time()
    try:
        while True:
            due += draw.expovariate(rate)
            size = pages.next_bytes()
            await asyncio.sleep(max(0.0, due - loop.time()))
            if len(tasks) >= MOST_AT_ONCE:
                counts["refused_too_many"] += 1
                continue
            counts["asked"] += 1
            task = asyncio.create_task(page(size))
            tasks.add(task)
            task.add_done_callback(tasks.discard)
    finally:
        reporter.cancel()


def main(argv: list[str] | None = None) -> int:
    """Runs one side; returns the exit code."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.netbench.webload", description=__doc__)
    sides = parser.add_subparsers(dest="side", required=True)
    server = sides.add_parser("serve")
    server.add_argument("--port", type=int, required=True)
    client = sides.add_parser("fetch")
    client.add_argument("--address", required=True)
    client.add_argument("--port", type=int, required=True)
    client.add_argument("--bits-per-second", type=float, required=True)
    client.add_argument("--seed", type=int, default=1)
    options = parser.parse_args(argv)
    with contextlib.suppress(KeyboardInterrupt):
        if options.side == "serve":
            asyncio.run(serve(options.port))
        else:
            asyncio.run(fetch(options.address, options.port, options.bits_per_second, options.seed))
    return 0


if __name__ == "__main__":
    sys.exit(main())
