"""Following a job against a server whose answers come when the test wants it."""

import asyncio
import base64
import hashlib
import re

from docket.client.follow import states
from docket.client.http_client import Client
from docket.domain.job import Job, State

CLOSE = 0x88
"""The first byte of the last frame of a WebSocket (RFC 6455)."""
GUID = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11"

JOB = Job(
    id="0192f0c1-0000-7000-8000-000000000000",
    state=State.RUNNING,
    query="port 53",
    asked="port 53",
    explanation="",
    after="2026-11-18T14:02:00.000000Z",
    before="2026-11-18T14:10:00.000000Z",
    owner="",
    note="",
    created_at="2026-11-18T14:20:00.000000Z",
    deadline="2026-11-18T14:40:00.000000Z",
)


def test_connection_that_is_made_after_all_is_closed_again() -> None:
    """Who leaves while the server has not answered yet is not sent anything for the rest of the program."""

    async def first_byte_of_the_client() -> bytes:
        asked, left, heard = asyncio.Event(), asyncio.Event(), asyncio.get_running_loop().create_future()

        async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            headers = await reader.readuntil(b"\r\n\r\n")
            key = re.search(rb"(?i)sec-websocket-key: (\S+)", headers)
            assert key is not None
            asked.set()
            await left.wait()
            accepted = base64.b64encode(hashlib.sha1(key[1] + GUID).digest())
            writer.write(b"HTTP/1.1 101 Switching\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n")
            writer.write(b"Sec-WebSocket-Accept: " + accepted + b"\r\n\r\n")
            heard.set_result(await reader.read(1))
            writer.close()

        async def watch(port: int) -> None:
            async for _ in states(Client(f"http://127.0.0.1:{port}/app/docket/"), JOB):
                pass

        async with await asyncio.start_server(serve, "127.0.0.1", 0) as server:
            watching = asyncio.create_task(watch(server.sockets[0].getsockname()[1]))
            async with asyncio.timeout(20):
                await asked.wait()
                watching.cancel()
                await asyncio.sleep(0)
                left.set()
                await asyncio.wait([watching])
                assert watching.cancelled()
                return bytes(await heard)

    assert asyncio.run(first_byte_of_the_client()) == bytes([CLOSE])
