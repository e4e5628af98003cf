"""Fixtures for every test: the real services are below tests/services. And which tests share a process.

`make test` runs two processes of pytest, each with its own services. Whatever shares fixtures stays together: a file,
or a folder with one Chromium. What kills services, breaks connections or watches a page while it changes is one group,
so that none of it meets another of its kind; the quieter half of the tests runs beside it.
"""

from pathlib import PurePosixPath

import pytest
from xdist.remote import Producer
from xdist.scheduler import LoadScopeScheduling, Scheduling

pytest_plugins = ["tests.services.rabbitmq", "tests.services.stenographer", "tests.cli.running_server"]

SENSITIVE = (
    "tests/browser",
    "tests/bus/test_amqp_faults.py",
    "tests/chaos",
    "tests/e2e",
    "tests/faults",
    "tests/page",
    "tests/workers/interface/test_interface_rabbitmq.py",
)
"""Folders and files whose tests run one after the other, whatever runs beside them."""

ONE_MACHINE = "tests/deploy/test_sensor"
"""Files that begin so live on one booted machine, one after the other."""


class _Groups(LoadScopeScheduling):  # type: ignore[misc] # it carries no types
    """Gives each process whole groups of tests, in the order of their files."""

    def _split_scope(self, nodeid: str) -> str:
        path = PurePosixPath(nodeid.partition("::")[0])
        if str(path).startswith(ONE_MACHINE):
            return ONE_MACHINE
        return "sensitive" if any(path.is_relative_to(place) for place in SENSITIVE) else str(path)


def pytest_xdist_make_scheduler(config: pytest.Config, log: Producer) -> Scheduling:
    """Let pytest-xdist hand out groups."""
    return _Groups(config, log)
