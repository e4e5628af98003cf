"""Fixtures for every test: the real services are below tests/services. And which tests share a process.

`make test` runs two processes of pytest (`--numprocesses 2 --dist loadgroup`), each with its own services. Whatever
shares fixtures stays together: a file, or a folder with one Chromium. What kills services, breaks connections or
watches a page while it changes is one group, so that none of it meets another of its kind; the quieter half of the
tests runs beside it.
"""

from pathlib import Path

import pytest

pytest_plugins = ["tests.services.rabbitmq", "tests.services.stenographer"]

_TESTS = Path(__file__).parent

_SENSITIVE = (
    "browser",
    "bus/test_amqp_faults.py",
    "chaos",
    "e2e",
    "faults",
    "page",
    "workers/test_interface_rabbitmq.py",
)
"""Folders and files whose tests run one after the other, whatever runs beside them."""


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Say of each test with which others it shares a process."""
    for item in items:
        path = item.path.relative_to(_TESTS)
        sensitive = any(path.is_relative_to(place) for place in _SENSITIVE)
        item.add_marker(pytest.mark.xdist_group("sensitive" if sensitive else str(path)))
