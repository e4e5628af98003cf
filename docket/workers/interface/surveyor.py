"""Answers how much a question would bring, for the sources of one worker, beside their jobs. For `service` only."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor

from docket.bus import survey_messages
from docket.bus.survey_messages import SurveyAnswered
from docket.bus.topology import EVENTS
from docket.domain.query.canonical import parse
from docket.domain.timewindow import Window
from docket.errors import BusError, SourceError
from docket.workers.publisher_pool import PublisherPool
from docket.workers.sources.base import Source

log = logging.getLogger(__name__)

MOST_WAITING = 16
"""A user is typing: what is older than so many questions is asked no more."""
LATE_S = 3.0
"""No user waits for an answer that long."""
PUBLISH_S = 2.0


class Surveyor:
    """`take` is for one thread; surveys are made one after the other in another one."""

    def __init__(self, sources: Mapping[str, Source], publishers: PublisherPool) -> None:
        self._sources = sources
        self._publishers = publishers
        self._executor = ThreadPoolExecutor(1, thread_name_prefix="survey")
        self._leaving = threading.Event()
        self._waiting = 0

    def take(self, body: bytes) -> None:
        """A survey was asked for, perhaps of other sources. Raises MessageError, InvalidRequest."""
        asked = survey_messages.decode_asked(body)
        mine = [self._sources[name] for name in asked.sources if name in self._sources]
        if not mine or self._waiting >= MOST_WAITING or self._leaving.is_set():
            return
        query = parse(asked.query)
        self._waiting += 1
        arrived_s = time.monotonic()

        def make() -> None:
            try:
                for source in mine:
                    if time.monotonic() - arrived_s < LATE_S:
                        survey = source.survey(query, Window(asked.after_us, asked.before_us), self._leaving)
                        if survey is not None:
                            self._publish(SurveyAnswered(id=asked.id, survey=survey))
            except SourceError as error:
                log.debug("no survey: %s", error)
            except Exception:
                log.exception("a survey failed")
            finally:
                self._waiting -= 1

        self._executor.submit(make)

    def leave(self) -> None:
        self._leaving.set()
        self._executor.shutdown(wait=True, cancel_futures=True)

    def _publish(self, answer: SurveyAnswered) -> None:
        with self._publishers.lend() as publisher:
            try:
                body = survey_messages.encode(answer)
                publisher.publish(EVENTS, survey_messages.ANSWERED_KEY, body, persistent=False, wait_s=PUBLISH_S)
            except BusError as error:
                log.debug("a survey was not sent: %s", error)
