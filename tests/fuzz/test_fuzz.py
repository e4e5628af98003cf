"""A few thousand of the cases that `make fuzz-services` has a hundred thousand of, the same ones each time."""

from pathlib import Path

from tests.fuzz import bus_messages, http_requests, http_routes


def test_messages_as_nobody_means_them(tmp_path: Path) -> None:
    """No traceback, good jobs are answered in between, and memory does not grow."""
    report = bus_messages.run(tmp_path, 2_000, seed=1)
    assert (report.wrong, report.cases) == ([], 2_000), report.text


def test_requests_as_nobody_means_them(tmp_path: Path) -> None:
    """No fault of the server, good requests are answered in between, and memory does not grow."""
    report = http_requests.run(tmp_path, 500, seed=1)
    assert (report.wrong, report.cases) == ([], 500), report.text


def test_values_as_nobody_means_them(tmp_path: Path) -> None:
    """No fault of the server on any route, and the job that all of them are about is still there."""
    report = http_routes.run(tmp_path, 400, seed=1)
    assert (report.wrong, report.cases, report.served) == ([], 400, 1), report.text
