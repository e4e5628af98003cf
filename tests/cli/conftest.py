"""One running demo for all tests of commands."""

from collections.abc import Iterator

import pytest

from tests.cli.running_demo import DemoServer
from tests.services import needs


@pytest.fixture(scope="session")
def demo(tmp_path_factory: pytest.TempPathFactory) -> Iterator[DemoServer]:
    """`docket run --demo`, ready."""
    needs.program("tcpdump", "tcpdump")
    with DemoServer(tmp_path_factory.mktemp("demo")) as server:
        yield server
