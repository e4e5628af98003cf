"""Work that people wait for: what becomes of it when the result is deleted meanwhile."""

import logging

import pytest

from docket.workers.inspector.tasks import Work
from docket.workers.interface.scheduler import Scheduler


def test_result_that_is_deleted_meanwhile_is_no_fault_of_the_program(caplog: pytest.LogCaptureFixture) -> None:
    """Those who wait are given a sentence, and the log has a line and no traceback."""

    def run(_: Work) -> None:
        raise FileNotFoundError(2, "No such file or directory", "objects")

    with caplog.at_level(logging.WARNING):
        work = Work("objects 0 of a job", run, Scheduler(1), "anna")
        work.start()
        work.wait(lambda: False, 20.0)
    assert (work.done, str(work.error)) == (True, "a file is gone or cannot be written: No such file or directory")
    assert [record.exc_info for record in caplog.records] == [None]
