"""`GET api/v1/timeline`: packets and bytes over time, of each source whose captures have an index."""

from __future__ import annotations

from typing import ClassVar

from docket.domain.api import Timeline, TimelineBucket, Timelines
from docket.domain.clock import now_us
from docket.domain.query.canonical import parse
from docket.domain.source import GapStatus, gaps_within
from docket.domain.survey import Survey
from docket.domain.timewindow import US_PER_S, format_us, make_window
from docket.web.handlers.base import Handler
from docket.web.http.route_spec import Operation, Operations, Param

_PARAMS = (
    Param("after", "beginning of the window, as for a question"),
    Param("before", "its end"),
    Param("source", "only this source; may come several times"),
)


class TimelineHandler(Handler):
    """What the indexes know of a window, whatever is asked."""

    logged_quietly = True
    operations: ClassVar[Operations] = {
        "GET": Operation(
            "Packets and bytes over time, per source with an index",
            gives={200: Timelines},
            params=_PARAMS,
            refuses=(400,),
        )
    }

    async def get(self) -> None:
        default_us = self.services.config.jobs.default_window_s * US_PER_S
        after, before = self.get_query_argument("after", None), self.get_query_argument("before", None)
        window = make_window(after, before, now_us(), default_us)
        wanted = self.get_query_arguments("source")
        known = await self.services.job_service.sources_or_configured()
        sources = [one for one in known if not wanted or one.name in wanted]
        surveys = await self.services.surveys.ask(parse(""), window, sources, self.principal.share)
        gaps = {one.name: gaps_within(one, window) for one in sources}
        self.write_json(
            Timelines(
                after=format_us(window.after_us),
                before=format_us(window.before_us),
                sources=tuple(_timeline(survey, gaps[survey.source]) for survey in surveys),
            )
        )

    head = get


def _timeline(survey: Survey, gaps: tuple[GapStatus, ...]) -> Timeline:
    return Timeline(
        source=survey.source,
        bucket_s=survey.bucket_s,
        packets=survey.packets,
        bytes=survey.bytes,
        exact=survey.exact,
        sentence=survey.sentence,
        buckets=tuple(
            TimelineBucket(begins=format_us(one.begins_s * US_PER_S), packets=one.packets, bytes=one.bytes)
            for one in survey.timeline
        ),
        gaps=gaps,
    )
