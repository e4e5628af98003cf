"""What people write on a job after it was asked: a note, tags, a case number. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import msgspec

from docket.errors import Fault, InvalidRequest

LONGEST_NOTE = 2_000
MOST_TAGS = 20
LONGEST_TAG = 60
LONGEST_CASE = 100
FIELDS = ("note", "tags", "case")


class Annotation(msgspec.Struct, frozen=True, kw_only=True):
    """What is to be written; None leaves it as it is, an empty value takes it away."""

    note: str | None = None
    tags: tuple[str, ...] | None = None
    case: str | None = None

    def changes(self) -> dict[str, Any]:
        """The fields that are to be different."""
        return {name: value for name in FIELDS if (value := getattr(self, name)) is not None}


def check_annotation(raw: Mapping[str, Any]) -> Annotation:
    """The annotation in a message or a body. Raises InvalidRequest with all its faults."""
    unknown = [name[:80] for name in raw if name not in FIELDS][:MOST_TAGS]
    faults = [Fault("unknown-field", f"there is no field {name!r}", name) for name in unknown]
    note = _text(raw.get("note"), "note", LONGEST_NOTE, faults)
    case = _text(raw.get("case"), "case", LONGEST_CASE, faults)
    tags = check_tags(raw.get("tags"), faults)
    if not faults and note is None and case is None and tags is None:
        faults.append(Fault("missing", f"say one of {', '.join(FIELDS)}"))
    if faults:
        raise InvalidRequest(faults)
    return Annotation(note=note, tags=tags, case=case)


def _text(value: object, name: str, longest: int, faults: list[Fault]) -> str | None:
    if value is None:
        return None
    if not isinstance(value, str):
        faults.append(Fault("bad-field", f"{name} must be a text", name))
    elif len(value) > longest:
        faults.append(Fault("too-long", f"{name} has {len(value):,} characters; {longest:,} is the most", name))
    else:
        return value.strip()
    return None


def check_tags(value: object, faults: list[Fault]) -> tuple[str, ...] | None:
    """Each tag once, in the order in which they came."""
    if value is None:
        return None
    if not isinstance(value, list | tuple) or not all(isinstance(tag, str) for tag in value):
        faults.append(Fault("bad-field", "tags must be a list of texts", "tags"))
        return None
    tags = tuple(dict.fromkeys(" ".join(tag.split()) for tag in value if tag.strip()))
    if len(tags) > MOST_TAGS or any(len(tag) > LONGEST_TAG for tag in tags):
        faults.append(Fault("too-long", f"{MOST_TAGS} tags of {LONGEST_TAG} characters each are the most", "tags"))
        return None
    return tags
