"""The page in a real Chromium, against a Docket that runs as its users run it."""

from collections.abc import Callable, Iterator
from typing import Any

import pytest
from playwright.sync_api import Browser, ViewportSize, expect, sync_playwright

from tests.browser.held_answers import Held, running_sensor
from tests.browser.packet_view import look, place_hostile_packets
from tests.browser.page_driver import Person
from tests.browser.server import Server
from tests.cli.running_server import RunningServer
from tests.services import needs
from tests.services.rabbitmq import Broker
from tests.workers.inspector.reference_tshark import Reference

FLAGS = (
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
)
"""Chromium shall talk to the servers of the tests and to nobody else."""

PATIENCE_MS = 30_000
"""Of a busy machine; nothing waits longer than it must."""
WIDE: ViewportSize = {"width": 1280, "height": 800}

Visit = Callable[..., Person]
"""`visit(url, **context)`: somebody new with a fresh browser context, such as `timezone_id` or `viewport`."""


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Every test of this package needs Chromium."""
    for item in items:
        if item.path.is_relative_to(__file__.removesuffix("conftest.py")):
            item.add_marker(pytest.mark.browser)


# Playwright's loop runs in this thread as long as it is open, and other tests have loops of their own.
@pytest.fixture(scope="package")
def chromium() -> Iterator[Browser]:
    executable = needs.program("chromium", "chromium")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=executable, args=list(FLAGS))
        yield browser
        browser.close()


@pytest.fixture
def visit(chromium: Browser) -> Iterator[Visit]:
    """Lets people come to the page; at the end all of them must have had no trouble."""
    people: list[Person] = []
    expect.set_options(timeout=PATIENCE_MS)

    def come(url: str, **context: Any) -> Person:
        options: dict[str, Any] = {"viewport": WIDE, "permissions": ["clipboard-read", "clipboard-write"], **context}
        opened = chromium.new_context(**options)
        opened.set_default_timeout(PATIENCE_MS)
        person = Person(opened.new_page(), url)
        people.append(person)
        return person

    yield come
    for person in people:
        person.check()
        person.page.context.close()


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningServer]:
    """`docket run --demo`, fresh for each module."""
    with RunningServer(tmp_path_factory.mktemp("demo")) as server:
        yield server


@pytest.fixture(scope="module")
def demo(running: RunningServer) -> Iterator[Server]:
    """The same, as a tool sees it."""
    server = Server(running.url)
    yield server
    server.http.close()


@pytest.fixture
def person(visit: Visit, demo: Server) -> Person:
    """Somebody on the demo's first page."""
    return visit(demo.url).open()


@pytest.fixture(scope="package")
def sensor_of_package(tmp_path_factory: pytest.TempPathFactory, broker: Broker) -> Iterator[Held]:
    directory = tmp_path_factory.mktemp("held")
    broker.add_vhost(directory.name)
    with running_sensor(directory, broker.url(directory.name)) as held:
        yield held
    broker.drop_vhost(directory.name)


@pytest.fixture
def held(sensor_of_package: Held) -> Iterator[Held]:
    """A sensor whose jobs stop half-way until the test lets them go on."""
    sensor_of_package.hold()
    yield sensor_of_package
    sensor_of_package.settle()


@pytest.fixture(scope="module")
def whole(running: RunningServer, demo: Server) -> dict[str, Any]:
    """A job with everything of the last hour, the attacker's packets among it."""
    (folder,) = running.scratch.glob("docket-demo-*/captures/em1")
    place_hostile_packets(folder)
    return demo.finished()


@pytest.fixture(scope="module")
def reference(demo: Server, whole: dict[str, Any], tmp_path_factory: pytest.TempPathFactory) -> Reference:
    """The same file, in front of tshark itself."""
    path = tmp_path_factory.mktemp("reference") / "whole.pcap"
    path.write_bytes(demo.pcap(whole["id"]))
    return Reference(path)


@pytest.fixture
def looking(visit: Visit, demo: Server, whole: dict[str, Any]) -> Person:
    """Somebody on the page of that job, once its packets are there."""
    return look(visit(demo.url), whole)
