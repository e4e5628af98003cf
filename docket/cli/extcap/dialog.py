"""What Wireshark shows for the capture interface "Docket": its interfaces, link types and the options of its dialog.

The sentences are those of Wireshark's extcap(4) and doc/extcap.adoc: a word, then values in braces.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from docket import __version__
from docket.client.answers import QueryCheck
from docket.domain.source import SourceStatus
from docket.domain.units import packets_text, size_text

INTERFACE = "docket"

LONGEST_VALUE = 300
"""Characters of a text in the dialog; it has one line for each."""


def interfaces() -> Iterator[str]:
    yield _sentence("extcap", version=__version__, display="Docket")
    yield _sentence("interface", value=INTERFACE, display="Docket")


def link_types() -> Iterator[str]:
    """One, for the form's sake: what is captured is pcapng, whose interfaces say their own."""
    yield _sentence("dlt", number=1, name="EN10MB", display="as recorded")


def options(server: str, sources: Iterable[SourceStatus]) -> Iterator[str]:
    """The dialog's options, and the values of those that offer some."""
    yield _option(0, "server", "string", "Server", "Connection", required=True, default=server)
    yield _option(1, "token", "password", "Token", "Connection", tooltip="of docket token, if the server wants one")
    yield _option(2, "user", "string", "User", "Connection", tooltip="at a proxy in front")
    yield _option(3, "password", "password", "Password", "Connection")
    yield _option(4, "ca", "fileselect", "Authorities", "Connection", mustexist=True, tooltip="PEM, for https")
    hint = "in Docket's words, such as host 10.1.2.3 and port 443; a capture filter is joined with it by and"
    yield _option(5, "query", "string", "Query", "Packets", tooltip=hint, default="")
    written = "RFC 3339, or a duration before now: 15m, 3h30m, 2d"
    yield _option(6, "after", "string", "After", "Packets", tooltip=written, default="15m")
    yield _option(7, "before", "string", "Before", "Packets", tooltip=f"{written}; empty: now")
    yield _option(8, "source", "multicheck", "Sources", "Packets", tooltip="none: all", reload=True)
    meant = "what the query means"
    yield _option(9, "check", "selector", "Check", "Packets", tooltip=meant, reload=True, placeholder="Load")
    yield _option(10, "limit-packets", "unsigned", "Most packets", "Limits", tooltip="0: no limit", default=0)
    yield _option(11, "limit-bytes", "string", "Most bytes", "Limits", tooltip="such as 500MB; empty: no limit")
    yield _option(12, "deadline", "string", "Deadline", "Limits", tooltip="such as 20m; empty: the server's")
    late = "do not wait for packets that are not on disk yet"
    yield _option(13, "no-wait", "boolflag", "Do not wait", "Limits", tooltip=late)
    yield from source_values(sources)
    yield _value(9, "", "press Load to check the query")


def source_values(sources: Iterable[SourceStatus]) -> Iterator[str]:
    """A box for each source."""
    for one in sources:
        state = "" if one.state == "online" else f" ({one.state})"
        yield _value(8, one.name, f"{one.name}{state}")


def check_values(checked: QueryCheck) -> Iterator[str]:
    """What a query means, or what is wrong with it; a line each."""
    lines = list(_described(checked)) if checked.ok else [fault_text(checked)]
    for number, line in enumerate(lines):
        yield _value(9, str(number), line)


def note(sentence: str) -> str:
    """One line in the place of the check."""
    return _value(9, "", sentence)


def fault_text(checked: QueryCheck) -> str:
    """The faults of a query as one line; empty where there is none."""
    return "; ".join(
        fault.message if fault.position is None else f"{fault.message} (character {fault.position + 1})"
        for fault in checked.errors
    )


def _described(checked: QueryCheck) -> Iterator[str]:
    yield checked.explanation or "every packet"
    if checked.window is not None:
        yield f"{checked.window.after} to {checked.window.before}"
    guess = checked.estimate
    if guess is not None and guess.packets is not None and guess.bytes is not None:
        yield f"about {packets_text(guess.packets)}, {size_text(guess.bytes)}"
    yield from checked.hints
    yield from (one.sentence for one in checked.coverage)


def _option(number: int, call: str, kind: str, display: str, group: str, **more: object) -> str:
    return _sentence("arg", number=number, call=f"--{call}", display=display, type=kind, group=group, **more)


def _value(number: int, value: str, display: str) -> str:
    return _sentence("value", arg=number, value=value, display=display)


def _sentence(word: str, **values: object) -> str:
    pairs = ((name, str(value).lower() if isinstance(value, bool) else str(value)) for name, value in values.items())
    return f"{word} " + "".join(f"{{{name}={_plain(text)}}}" for name, text in pairs)


def _plain(text: str) -> str:
    """One line, without the signs that end a value."""
    line = " ".join(text.split())[:LONGEST_VALUE]
    return "".join(sign for sign in line if sign.isprintable()).replace("{", "(").replace("}", ")")
