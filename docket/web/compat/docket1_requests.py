"""Questions as the original Docket 1.0.3 took them, turned into today's: form, JSON, path. Pure; for `compat`.

All terms are ANDed. What the original ignored counts here: the limits, `sensor`, `proto`, offsets from UTC.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from docket.domain.timewindow import US_PER_S, format_us
from docket.errors import Fault, InvalidRequest

Values = dict[str, list[str]]
"""Every field with its values as text, in the order they came."""

_TERMS = ("host", "net", "port", "proto", "proto-name")
_TIMES = ("after", "before", "after-ago", "before-ago")
_LIMITS = {"Steno-Limit-Packets": "packets", "Steno-Limit-Bytes": "bytes"}
_BY_NAME = {name.lower(): name for name in (*_TERMS, *_TIMES, *_LIMITS, "sensor", "ignore-weight")}
_PROTOCOLS = ("tcp", "udp", "icmp")

LINK_SPAN_US = 3_600 * US_PER_S
"""How long the window of a link without an end is. Longer than nearly every connection, and for two addresses and
two ports still a small question."""
_MINUTE_US = 60 * US_PER_S

_HOURS_MINUTES = re.compile(r"(\d+)h(\d+)", re.ASCII)
_LOST_PLUS = re.compile(r"(T\d\d:\d\d(?::\d\d(?:\.\d+)?)?) (\d\d:?\d\d)$", re.ASCII)


def values_of_json(body: Mapping[str, Any]) -> Values:
    """The fields of a JSON object: each a value or a list of them. Raises InvalidRequest."""
    values: Values = {}
    for name, value in body.items():
        given = value if isinstance(value, list) else [value]
        for one in given:
            if isinstance(one, bool):
                values.setdefault(name, []).append("true" if one else "")
            elif isinstance(one, str | int):
                values.setdefault(name, []).append(str(one))
            elif one is not None:
                label = name[:80]
                raise InvalidRequest([Fault("bad-field", f"{label} must be a text, a number or a list of them", label)])
    return values


def values_of_path(path: str) -> Values:
    """The fields of a path such as `host/1.2.3.4/port/80/udp/after/3m/`. Raises InvalidRequest."""
    values: Values = {}
    words = iter([word for word in path.split("/") if word])
    for word in words:
        name = word.lower()
        if name in _PROTOCOLS:
            values.setdefault("proto-name", []).append(name)
            continue
        if name == "ignore-weight":
            values["ignore-weight"] = ["true"]
            continue
        if name not in _BY_NAME:
            raise InvalidRequest([Fault("bad-path", f"the path has a word that is no field: {word[:80]!r}", "path")])
        value = next(words, None)
        if name == "net" and value is not None and "/" not in value:
            mask = next(words, None)
            value = None if mask is None else f"{value}/{mask}"
        if value is None:
            raise InvalidRequest([Fault("bad-path", f"the path ends in the middle of {name}", "path")])
        values.setdefault(_BY_NAME[name], []).append(value)
    return values


def question(values: Mapping[str, Sequence[str]], headers: Mapping[str, str], known: Iterable[str]) -> dict[str, Any]:
    """The question as `POST api/v1/jobs` takes it; `known` are the names of all sources. Raises InvalidRequest."""
    faults: list[Fault] = []
    given: Values = {}
    for name, texts in values.items():
        if name.lower() not in _BY_NAME:
            faults.append(Fault("unknown-field", f"there is no field {name[:80]!r}", name[:80]))
            continue
        given[_BY_NAME[name.lower()]] = [text.strip() for text in texts if text.strip()]
    for name in _LIMITS:
        if headers.get(name) and not given.get(name):
            given[name] = [headers[name]]
    terms = {name: given[name] for name in _TERMS if given.get(name)}
    # The original took a time alone as a question for everything; nothing at all is a mistake.
    named_a_time = any(_last(given, name) for edge in ("after", "before") for name in (edge, f"{edge}-ago"))
    asked: dict[str, Any] = {"query": terms or ("" if named_a_time else {})}
    for edge in ("after", "before"):
        text = _last(given, edge) or _duration(_last(given, f"{edge}-ago"))
        if text:
            asked[edge] = _LOST_PLUS.sub(r"\1+\2", text)
    limits = {field: _number(name, _last(given, name), faults) for name, field in _LIMITS.items()}
    if any(limits.values()):
        asked["limits"] = limits
    if given.get("sensor"):
        asked["sources"] = _sources(given["sensor"], list(known), faults)
    if given.get("ignore-weight"):
        asked["force"] = True
    if faults:
        raise InvalidRequest(faults)
    return asked


def raw_text(path: str) -> str:
    """A query as it stands in a path, where a plus is a space, unless it begins an offset from UTC."""
    return re.sub(r"\+(?!\d\d:\d\d)", " ", path.strip("/")).strip()


def link_end(after_us: int, now_us: int) -> str:
    """The end of a link's window that has only a beginning: an hour later, or the end of the current minute.

    It stays the same for a minute at least, so that a second click asks the same question.
    """
    end_us = after_us + LINK_SPAN_US
    next_minute_us = (now_us // _MINUTE_US + 1) * _MINUTE_US
    if after_us < next_minute_us < end_us:
        end_us = next_minute_us
    return format_us(end_us)


def _last(given: Values, name: str) -> str:
    texts = given.get(name)
    return texts[-1] if texts else ""


def _duration(text: str) -> str:
    """The original's manual shows `3h30` for three and a half hours."""
    return _HOURS_MINUTES.sub(r"\1h\2m", text) if _HOURS_MINUTES.fullmatch(text) else text


def _number(name: str, text: str, faults: list[Fault]) -> int | None:
    if not text:
        return None
    if not (text.isascii() and text.isdigit()) or len(text) > 18 or int(text) < 1:
        faults.append(Fault("bad-number", f"{name} must be a whole number from 1 on", name))
        return None
    return int(text)


def _sources(sensors: Sequence[str], known: Sequence[str], faults: list[Fault]) -> list[str]:
    """Sources by their name, their sensor or their interface; the original knew sensors only."""
    chosen: list[str] = []
    for sensor in sensors:
        found = [name for name in known if sensor in (name, *name.split(":"))]
        if not found:
            faults.append(Fault("unknown-source", f"there is no sensor {sensor[:80]!r}", "sensor"))
        chosen += found
    return list(dict.fromkeys(chosen))
