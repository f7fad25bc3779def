"""Sockets that lead to another one, each by a way that takes its time: hosts at a distance.

    slow_link.py TARGET SOCKET=SECONDS...

What comes from a client is handed on so much later; answers come at once, so that the time is that
of a call to and fro. Prints `ready`, and runs until it is ended.
"""

from __future__ import annotations

import asyncio
import sys
from contextlib import suppress


async def main() -> None:
    """Serve all sockets."""
    target, *links = sys.argv[1:]
    servers = [await serve(target, *link.rsplit("=", 1)) for link in links]
    print("ready", flush=True)
    await asyncio.gather(*(server.serve_forever() for server in servers))


async def serve(target: str, path: str, seconds: str) -> asyncio.Server:
    """One socket."""

    async def link(near: asyncio.StreamReader, back: asyncio.StreamWriter) -> None:
        far, onward = await asyncio.open_unix_connection(target)
        await asyncio.gather(carry(near, onward, float(seconds)), carry(far, back, 0))

    return await asyncio.start_unix_server(link, path)


async def carry(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, after_s: float) -> None:
    """Hand on what comes, after its time, without holding up what comes behind it."""
    loop = asyncio.get_running_loop()
    with suppress(ConnectionError):
        while data := await reader.read(65536):
            if after_s:
                loop.call_later(after_s, writer.write, data)
            else:
                writer.write(data)
                await writer.drain()
        await asyncio.sleep(after_s)
    writer.close()


if __name__ == "__main__":
    with suppress(KeyboardInterrupt):
        asyncio.run(main())
