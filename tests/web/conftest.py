"""Fixtures of the web app's tests."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.web.docket_site import SOURCES, Site, running
from tests.web.scripted import ScriptedWorker


@pytest.fixture
def site(tmp_path: Path) -> Iterator[Site]:
    """A running Docket without workers."""
    with running(Site(tmp_path)) as site:
        yield site


@pytest.fixture
def em1(site: Site) -> Iterator[ScriptedWorker]:
    with ScriptedWorker(site.broker, SOURCES[0]) as worker:
        yield worker


@pytest.fixture
def em2(site: Site) -> Iterator[ScriptedWorker]:
    with ScriptedWorker(site.broker, SOURCES[1]) as worker:
        yield worker
