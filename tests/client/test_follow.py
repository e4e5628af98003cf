"""Following a job of a server that answers when the test wants it."""

import asyncio

from tornado.httpserver import HTTPServer
from tornado.netutil import bind_sockets
from tornado.web import Application
from tornado.websocket import WebSocketHandler

from docket.client.follow import states
from docket.client.http_client import Client
from docket.domain.job import Job
from tests.workers.requests import START_US, US, ask

JOB = Job.opened(ask(START_US, START_US + US), ("rock01:em1",))


def test_connection_that_is_made_after_all_is_closed_again() -> None:
    """Who leaves while the server has not answered yet is not sent anything for the rest of the program."""

    async def leave_in_between() -> None:
        asked, left, closed = asyncio.Event(), asyncio.Event(), asyncio.Event()

        class Late(WebSocketHandler):
            async def prepare(self) -> None:
                asked.set()
                await left.wait()

            def on_close(self) -> None:
                closed.set()

        async def watch(port: int) -> None:
            async for _ in states(Client(f"http://127.0.0.1:{port}/"), JOB):
                pass

        server = HTTPServer(Application([(".*", Late)]))
        (listening,) = bind_sockets(0, "127.0.0.1")
        server.add_socket(listening)
        watching = asyncio.create_task(watch(listening.getsockname()[1]))
        async with asyncio.timeout(10):
            await asked.wait()
            watching.cancel()
            await asyncio.sleep(0)
            left.set()
            await asyncio.wait([watching])
            await closed.wait()
        assert watching.cancelled()
        server.stop()

    asyncio.run(leave_in_between())
