"""Where the web app asks about packets: a unix socket in the spool, a question and an answer each. For
`inspector`.

Behind it, and nowhere else, dissectors run. A question is one line of JSON; the answer is one line with a status and,
after it, what was asked for. Every process that may open the socket may ask: it is the group's, like the spool.
"""

from __future__ import annotations

import collections
import contextlib
import logging
import os
import socket
import threading
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import msgspec

from docket.domain.decoding import prepare
from docket.errors import DissectionError, DissectorMissing, Fault, InvalidRequest, NoSuchJob, SpoolError
from docket.spool.file_io import spool_error
from docket.spool.layout import DIRECTORY_MODE, Spool
from docket.workers.inspector.rpc_messages import AnswerHeader, Question

log = logging.getLogger(__name__)

AT_ONCE = 32
AT_ONCE_PER_USER = 16
"""Beyond that, a user's further questions are turned away, so that some places are left for others."""
LARGEST_QUESTION_BYTES = 512 * 1024
"""Most have some hundred bytes; one may bring a TLS key log."""
PATIENCE_S = 30.0
"""A client that neither asks nor takes its answer within this is gone."""
LOOK_S = 0.25
"""How often it is seen that the socket's file is gone."""
SOCKET_MODE = 0o660

Answered = tuple[AnswerHeader, Iterable[bytes]]
Answerer = Callable[[Question], Answered]
"""Raises errors of ours; those become answers."""


class RpcServer:
    """One listening socket; `serve` runs in a thread until asked to stop."""

    def __init__(self, spool: Spool, answer: Answerer) -> None:
        self._path = spool.counter
        self._answer = answer
        self._lock = threading.Lock()
        self._answering_of: collections.Counter[str] = collections.Counter()

    def serve(self, stop: threading.Event) -> None:
        """Raises SpoolError if the socket cannot be opened at first; later it is opened again whenever it is gone."""
        pool = ThreadPoolExecutor(AT_ONCE, thread_name_prefix="rpc")
        listening: socket.socket | None = self._listen()
        try:
            while not stop.is_set():
                if listening is not None:
                    self._serve_at(listening, pool, stop)
                    listening.close()
                listening = self._listen_again(stop)
        finally:
            self._path.unlink(missing_ok=True)
            pool.shutdown(cancel_futures=True)

    def _serve_at(self, listening: socket.socket, pool: ThreadPoolExecutor, stop: threading.Event) -> None:
        """Until stopped, or until the spool was moved away or emptied, and the socket's file with it."""
        listening.settimeout(LOOK_S)
        while not stop.is_set():
            try:
                connection, _ = listening.accept()
            except TimeoutError:
                if self._path.is_socket():
                    continue
                return
            except OSError as error:
                # As many files are open as may be: those who ask now wait for those who are answered.
                log.warning("a question cannot be taken: %s", error.strerror)
                stop.wait(LOOK_S)
                continue
            pool.submit(self._attend, connection)

    def _listen_again(self, stop: threading.Event) -> socket.socket | None:
        if stop.wait(LOOK_S):
            return None
        try:
            return self._listen()
        except SpoolError as error:
            log.debug("the socket for questions cannot be opened yet: %s", error)
            return None

    def _listen(self) -> socket.socket:
        directory = self._path.parent
        try:
            directory.mkdir(mode=DIRECTORY_MODE, exist_ok=True)
            self._path.unlink(missing_ok=True)
            listening = socket.socket(socket.AF_UNIX)
            with short_path(self._path) as path:
                listening.bind(path)
            os.chmod(self._path, SOCKET_MODE)
            listening.listen(64)
        except OSError as error:
            raise spool_error(error, self._path) from error
        return listening

    def _attend(self, connection: socket.socket) -> None:
        """One client, from its question to the last byte of its answer."""
        with connection:
            connection.settimeout(PATIENCE_S)
            try:
                question = msgspec.json.decode(_line(connection), type=Question)
                with self._share(question.user) as has_room:
                    heading, body = self._answered(question) if has_room else _BUSY
                    _send(connection, heading, body)
            except msgspec.DecodeError as error:
                with contextlib.suppress(OSError):
                    _send(connection, *_refused(400, Fault("bad-question", f"this is no question: {error}")))
            except OSError as error:
                log.debug("a client left: %s", error)

    @contextlib.contextmanager
    def _share(self, user: str) -> Iterator[bool]:
        """Whether the user has room for one more question, which counts during the block."""
        with self._lock:
            self._answering_of[user] += 1
            has_room = self._answering_of[user] <= AT_ONCE_PER_USER
        try:
            yield has_room
        finally:
            with self._lock:
                self._answering_of[user] -= 1
                if not self._answering_of[user]:
                    del self._answering_of[user]

    def _answered(self, question: Question) -> Answered:
        try:
            return self._answer(question)
        except InvalidRequest as error:
            return AnswerHeader(status=400, faults=error.faults), ()
        except NoSuchJob:
            return _refused(404, Fault("no-result", "there is no finished result to look into", "id"))
        except DissectorMissing as error:
            return _refused(501, Fault("no-dissector", f"{error}: packets can be downloaded, but not shown"))
        except DissectionError as error:
            return _refused(422, Fault("not-dissected", f"could not be dissected: {error}"))
        except SpoolError as error:
            return _refused(503, Fault("spool-unavailable", str(error)))
        except Exception as error:
            # The one broad net of this loop: whatever a hostile file brings about, the next question is answered.
            log.exception("a question could not be answered")
            return _refused(500, Fault("internal", f"the inspector failed: {type(error).__name__}"))


@contextlib.contextmanager
def short_path(path: Path) -> Iterator[str]:
    """The same file under a name that is short enough for a unix socket's address (108 bytes, unix(7))."""
    directory = os.open(path.parent, os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        yield f"/proc/self/fd/{directory}/{path.name}"
    finally:
        os.close(directory)


def _line(connection: socket.socket) -> bytes:
    """The question. One that is too long is cut, and is then no JSON."""
    line = b""
    while b"\n" not in line and len(line) <= LARGEST_QUESTION_BYTES:
        block = connection.recv(LARGEST_QUESTION_BYTES)
        if not block:
            break
        line += block
    return line.partition(b"\n")[0]


def _send(connection: socket.socket, heading: AnswerHeader, body: Iterable[bytes]) -> None:
    """Raises OSError when the client has left."""
    connection.sendall(msgspec.json.encode(heading) + b"\n")
    for piece in body:
        connection.sendall(piece)


def _refused(status: int, fault: Fault) -> Answered:
    return AnswerHeader(status=status, faults=(fault,)), ()


_BUSY = _refused(503, Fault("busy", f"{AT_ONCE_PER_USER} of your questions about packets are being answered; wait"))

prepare(Question)
