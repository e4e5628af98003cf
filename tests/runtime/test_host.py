"""One process and its services: started, watched, stopped in order."""

import asyncio
import os
import signal
import socket
import threading
from pathlib import Path

import pytest

from docket.errors import BusLost, DocketError, TopologyMismatch
from docket.runtime.exit_codes import ExitCode
from docket.runtime.host import Host, Runnable, Service
from docket.runtime.systemd import SystemdNotifier

SILENT = SystemdNotifier({})


class Faithful:
    """A service that runs until it is told to stop, and writes down when it started and ended."""

    def __init__(self, name: str, story: list[str]) -> None:
        self.name = name
        self.story = story

    def run(self, stop: threading.Event) -> None:
        self.story.append(f"{self.name} starts")
        assert stop.wait(20.0)
        self.story.append(f"{self.name} ends")


class Ending:
    """A service that ends by itself, with an error or without."""

    def __init__(self, error: DocketError | None) -> None:
        self.error = error

    def run(self, stop: threading.Event) -> None:
        assert not stop.is_set()
        if self.error is not None:
            raise self.error


def host(services: dict[str, Runnable], notifier: SystemdNotifier = SILENT) -> Host:
    return Host([Service(name, work) for name, work in services.items()], notifier)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_signal_stops_in_reverse_order(number: signal.Signals) -> None:
    """The web app ends first, then the services from the last started to the first; the exit code is 0."""
    story: list[str] = []

    async def serve(stop: asyncio.Event) -> None:
        os.kill(os.getpid(), number)
        await stop.wait()
        story.append("web ends")

    services: dict[str, Runnable] = {name: Faithful(name, story) for name in ("collector", "worker")}
    assert asyncio.run(host(services).run(serve)) == ExitCode.OK
    assert story[-3:] == ["web ends", "worker ends", "collector ends"]


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (None, ExitCode.CRASHED),
        (DocketError("broken"), ExitCode.CRASHED),
        (TopologyMismatch("another declaration"), ExitCode.BUS),
        (BusLost("gone"), ExitCode.BUS),
    ],
)
def test_service_that_ends_by_itself_ends_the_process(
    error: DocketError | None, code: ExitCode, caplog: pytest.LogCaptureFixture
) -> None:
    """The others are stopped, the log names the culprit, and the exit code tells a fault of the bus from the rest."""
    story: list[str] = []
    services: dict[str, Runnable] = {"collector": Faithful("collector", story), "worker": Ending(error)}
    assert asyncio.run(host(services).run()) == code
    assert story == ["collector starts", "collector ends"]
    assert "worker has ended by itself" in caplog.text


def test_error_of_the_web_app_stops_the_services() -> None:
    """When serving fails, the threads end before the error goes on its way."""
    story: list[str] = []

    async def serve(stop: asyncio.Event) -> None:
        assert not stop.is_set()
        raise DocketError("no port")

    with pytest.raises(DocketError, match="no port"):
        asyncio.run(host({"worker": Faithful("worker", story)}).run(serve))
    assert story == ["worker starts", "worker ends"]


def test_systemd_hears_ready_alive_and_stopping(tmp_path: Path) -> None:
    """With Type=notify the process says when it is ready, that it lives, and that it stops."""
    address = tmp_path / "notify"
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as channel:
        channel.bind(str(address))
        channel.settimeout(10.0)
        environ = {"NOTIFY_SOCKET": str(address), "WATCHDOG_USEC": "20000"}

        async def serve(stop: asyncio.Event) -> None:
            assert not stop.is_set()
            assert not any(word.startswith("READY") for word in heard)
            notifier.ready("listening")
            while heard.count("WATCHDOG=1") < 2:
                heard.append(await asyncio.to_thread(lambda: channel.recv(4096).decode()))

        heard: list[str] = []
        notifier = SystemdNotifier(environ)
        asyncio.run(host({}, notifier).run(serve))
        while heard[-1] != "STOPPING=1":
            heard.append(channel.recv(4096).decode())
    assert "READY=1\nSTATUS=listening" in heard


class Stuck:
    """A service whose loop hangs until it is let go, while another thread of it looks at the order to stop."""

    def __init__(self) -> None:
        self.let_go = threading.Event()

    def run(self, stop: threading.Event) -> None:
        helper = threading.Thread(target=lambda: [stop.wait(0.001) for _ in range(2_000) if not self.let_go.is_set()])
        helper.start()
        assert self.let_go.wait(20.0)
        helper.join()
        assert stop.wait(20.0)


def test_watchdog_hears_nothing_of_a_loop_that_hangs(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """The event loop turns, a helper thread turns, and still no sign of life is given for the loop that does not."""
    stuck = Stuck()
    address = tmp_path / "notify"
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as channel:
        channel.bind(str(address))
        channel.settimeout(10.0)
        heard: list[str] = []

        async def serve(stop: asyncio.Event) -> None:
            assert not stop.is_set()
            while "service loop stalled" not in caplog.text:
                await asyncio.sleep(0.005)
            while not await asyncio.to_thread(_nothing, channel):
                pass
            stuck.let_go.set()
            heard.append(await asyncio.to_thread(lambda: channel.recv(4096).decode()))

        environ = {"NOTIFY_SOCKET": str(address), "WATCHDOG_USEC": "40000"}
        asyncio.run(host({"stuck": stuck}, SystemdNotifier(environ)).run(serve))
    assert heard == ["WATCHDOG=1"]


def _nothing(channel: socket.socket) -> bool:
    """Whether nothing is said for much longer than the watchdog's time."""
    channel.settimeout(0.2)
    try:
        channel.recv(4096)
    except TimeoutError:
        return True
    finally:
        channel.settimeout(10.0)
    return False


def test_watchdog_of_another_process_is_not_fed() -> None:
    """WATCHDOG_PID names who must speak; children that inherit the environment keep silent."""
    assert SystemdNotifier({"WATCHDOG_USEC": "1000000", "WATCHDOG_PID": "1"}).beat_s is None
    assert SystemdNotifier({"WATCHDOG_USEC": "1000000", "WATCHDOG_PID": str(os.getpid())}).beat_s == 0.5
