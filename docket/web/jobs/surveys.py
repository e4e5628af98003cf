"""Asks the workers of capture directories how much a question would bring, and waits a moment for their answers."""

from __future__ import annotations

import asyncio
import logging
import uuid
from collections import Counter
from collections.abc import Sequence

from docket.bus import survey_messages
from docket.bus.async_interface import AsyncBusClient
from docket.bus.survey_messages import SurveyAsked
from docket.bus.topology import EVENTS
from docket.domain.query.canonical import Query
from docket.domain.source import SourceStatus
from docket.domain.survey import Survey
from docket.domain.timewindow import Window
from docket.errors import BusError, MessageError

logger = logging.getLogger(__name__)

WAIT_S = 1.0
"""Workers that have an index take some hundredths of a second, and half a second where they read."""
AGAIN_S = 60.0
"""After the bus refused a question no other one is asked for so long: its rights may be those of an older Docket."""
MOST_WAITING = 16
"""Surveys at a time: a worker answers one after the other, and no more than so many."""
INDEXED = "indexed_files"
"""The figure by which a source tells that it has an index: of another one no answer is waited for."""


class _Waiting:
    def __init__(self, sources: Sequence[str]) -> None:
        self.missing = set(sources)
        self.found: dict[str, Survey] = {}
        self.complete = asyncio.Event()

    def take(self, survey: Survey) -> None:
        if survey.source in self.missing:
            self.missing.discard(survey.source)
            self.found[survey.source] = survey
        if not self.missing:
            self.complete.set()


class Surveys:
    """One per process, for the event loop only. To be made before the link is started."""

    def __init__(self, link: AsyncBusClient) -> None:
        self._link = link
        self._waiting: dict[str, _Waiting] = {}
        self._of: Counter[str] = Counter()
        self._not_before_s = 0.0
        link.listen([survey_messages.ANSWERED_KEY], self._arrived)

    async def ask(
        self, query: Query, window: Window, sources: Sequence[SourceStatus], share: str
    ) -> tuple[Survey, ...]:
        """What the indexes of these sources say, by source; those that do not answer in time are left out.

        `share` is the name under which questions are counted; of one name who asks too many nothing is said.
        """
        names = tuple(one.name for one in sources if INDEXED in one.stats and one.state == "online")
        now_s = asyncio.get_running_loop().time()
        if not names or now_s < self._not_before_s or not self._link.connected or self._is_full_for(share):
            return ()
        asked = SurveyAsked(
            id=uuid.uuid4().hex,
            query=query.canonical,
            after_us=window.after_us,
            before_us=window.before_us,
            sources=names,
        )
        waiting = self._waiting[asked.id] = _Waiting(names)
        self._of[share] += 1
        try:
            async with asyncio.timeout(WAIT_S):
                await self._publish(asked)
                await waiting.complete.wait()
        except TimeoutError:
            logger.debug("no survey in time of %s", ", ".join(sorted(waiting.missing)))
        except BusError as error:
            self._not_before_s = now_s + AGAIN_S
            logger.info("surveys are not asked for a minute: %s", error)
        finally:
            del self._waiting[asked.id]
            self._of -= Counter([share])
        return tuple(waiting.found[name] for name in sorted(waiting.found))

    def _is_full_for(self, share: str) -> bool:
        """Whether this name has half of what the others leave."""
        own = self._of[share]
        return own >= max((MOST_WAITING - (len(self._waiting) - own)) // 2, 1)

    async def _publish(self, asked: SurveyAsked) -> None:
        body = survey_messages.encode(asked)
        await self._link.publish(EVENTS, survey_messages.ASKED_KEY, body, mandatory=False, timeout_s=WAIT_S)

    def _arrived(self, key: str, body: bytes) -> None:
        try:
            answer = survey_messages.decode_answered(body)
        except MessageError as error:
            logger.warning("an event %s cannot be read: %s", key, error)
            return
        waiting = self._waiting.get(answer.id)
        if waiting is not None:
            waiting.take(answer.survey)
