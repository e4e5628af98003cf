"""Asks the inspector at its socket, out of an event loop. For the web app."""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import msgspec

from docket.domain.decoding import prepare
from docket.errors import InspectorAway
from docket.workers.inspector.rpc_messages import AnswerHeader, Question

CONNECT_S = 5.0
ANSWER_S = 180.0
"""Longer than anything that an answer waits for."""
PIECE_BYTES = 256 * 1024
LONGEST_HEADING_BYTES = 1024 * 1024


@asynccontextmanager
async def ask(counter: Path, question: Question) -> AsyncIterator[tuple[AnswerHeader, AsyncIterator[bytes]]]:
    """Ask, and have the answer within the block: its heading, and the pieces of what follows. Raises InspectorAway."""
    try:
        reader, writer = await asyncio.wait_for(_connect(counter), CONNECT_S)
    except (OSError, TimeoutError) as error:
        raise InspectorAway("the inspector does not answer: packets can be downloaded, but not shown") from error
    try:
        writer.write(msgspec.json.encode(question) + b"\n")
        heading = msgspec.json.decode(await asyncio.wait_for(reader.readline(), ANSWER_S), type=AnswerHeader)
        yield heading, _pieces(reader)
    except (OSError, TimeoutError, ValueError, msgspec.DecodeError) as error:
        raise InspectorAway("the inspector went away in mid-answer") from error
    finally:
        writer.close()


async def _connect(counter: Path) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    # Through a descriptor of the directory, because addresses of unix sockets are short (unix(7)).
    directory = os.open(counter.parent, os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        path = f"/proc/self/fd/{directory}/{counter.name}"
        return await asyncio.open_unix_connection(path, limit=LONGEST_HEADING_BYTES)
    finally:
        os.close(directory)


async def _pieces(reader: asyncio.StreamReader) -> AsyncIterator[bytes]:
    while piece := await asyncio.wait_for(reader.read(PIECE_BYTES), ANSWER_S):
        yield piece


prepare(AnswerHeader)
