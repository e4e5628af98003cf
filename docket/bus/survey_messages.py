"""The messages of a survey: the web app asks workers how much a question would bring, and each answers for its sources.

Both go through `docket.events`, for only a running worker can answer, and a late answer is worth nothing.
"""

from __future__ import annotations

from typing import TypeVar

import msgspec

from docket.bus.messages import LARGEST_JSON_BYTES
from docket.domain.decoding import prepare
from docket.domain.request import SOURCE_NAME
from docket.domain.survey import Survey
from docket.domain.timewindow import LATEST_US, US_PER_S
from docket.errors import MessageError

ASKED_KEY = "survey.asked"
ANSWERED_KEY = "survey.answered"

MOST_BUCKETS = 10_000
LONGEST_SENTENCE = 2_000
_LARGEST = 1 << 53
_LATEST_S = LATEST_US // US_PER_S

Message = TypeVar("Message", bound=msgspec.Struct)


class SurveyAsked(msgspec.Struct, frozen=True, kw_only=True):
    """`survey.asked`: how much would this question bring? From the web app to the workers of these sources."""

    schema: str = "docket.survey.asked/1"
    id: str
    query: str
    """Canonical text."""
    after_us: int
    before_us: int
    """Microseconds since 1970 UTC."""
    sources: tuple[str, ...]


class SurveyAnswered(msgspec.Struct, frozen=True, kw_only=True):
    """`survey.answered`: what the index of one source says of it."""

    schema: str = "docket.survey.answered/1"
    id: str
    survey: Survey


def encode(message: SurveyAsked | SurveyAnswered) -> bytes:
    return msgspec.json.encode(message)


def decode_asked(body: bytes) -> SurveyAsked:
    """Raises MessageError."""
    message = _decode(body, SurveyAsked, "docket.survey.asked/1")
    if not message.after_us < message.before_us:
        raise MessageError("the window of a survey is empty")
    return message


def decode_answered(body: bytes) -> SurveyAnswered:
    """Raises MessageError."""
    message = _decode(body, SurveyAnswered, "docket.survey.answered/1")
    if not SOURCE_NAME.fullmatch(message.survey.source):
        raise MessageError(f"{message.survey.source[:80]!r} is not a sensor:interface name")
    _check_numbers(message.survey)
    return message


def _check_numbers(survey: Survey) -> None:
    """Raises MessageError for what no index can say: it is added up, and shown as times."""
    numbers = [survey.files, survey.of_files, survey.packets, survey.bytes, survey.read_bytes]
    numbers += [survey.unindexed_files, survey.unindexed_bytes, survey.bucket_s]
    numbers += [number for bucket in survey.timeline for number in (bucket.packets, bucket.bytes)]
    in_range = all(0 <= number <= _LARGEST for number in numbers)
    if not in_range or not all(0 <= bucket.begins_s < _LATEST_S for bucket in survey.timeline):
        raise MessageError(f"the survey of {survey.source} has numbers that cannot be")
    if len(survey.sentence) > LONGEST_SENTENCE or len(survey.timeline) > MOST_BUCKETS:
        raise MessageError(f"the survey of {survey.source} is too long")


def _decode(body: bytes, kind: type[Message], schema: str) -> Message:
    if len(body) > LARGEST_JSON_BYTES:
        raise MessageError(f"the message has {len(body)} bytes; {LARGEST_JSON_BYTES} is the most")
    try:
        message = msgspec.json.decode(body, type=kind)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise MessageError(f"the message is not valid: {error}") from error
    if message.schema != schema:  # type: ignore[attr-defined]
        raise MessageError("the message's schema is unknown here, or newer than this Docket")
    return message


prepare(SurveyAsked, SurveyAnswered)
