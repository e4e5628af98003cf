"""Display filters: whether one is understood, and which packets of a capture it shows. For the inspector.

A filter is an argument of tshark, never a part of a shell's line. The numbers of the packets come in order while
the file is read, so the first page of a rare find does not wait for the end.
"""

from __future__ import annotations

import os
import re
from array import array
from collections.abc import Iterator
from threading import Event

from docket.errors import DissectionError, Fault, InvalidRequest
from docket.packet.pcap import file_header
from docket.workers.inspector.tshark.narrowing import Cut
from docket.workers.inspector.tshark.process import Limits, SandboxedProcess
from docket.workers.inspector.tshark.result_capture import Capture
from docket.workers.inspector.tshark.tshark_programs import tcpdump, tshark

LONGEST_FILTER = 4_000
CHECK_S = 20.0
WALL_S = 300.0
SILENCE_S = 60.0
MEMORY_BYTES = 1_500_000_000
OUTPUT_BYTES = 1_000_000_000

_NUMBER_ONLY = ("-T", "tabs", "-o", 'gui.column.format:"No.","%m"')
_MARKED = re.compile(r"^(?P<indent> *)(?P<mark>\^~*) *$")
_PROGRAM = re.compile(r"^(?:tshark|tcpdump): ")


def check_display_filter(text: str, field: str = "filter") -> None:
    """Raises InvalidRequest, with the position where tshark names one, and DissectorMissing."""
    _check_text(text, field)
    if text.strip():
        with SandboxedProcess(tshark("-Y", text), Limits(CHECK_S, nice=0), [file_header()]) as child:
            _judge(child, text, field, "bad-filter")


def check_packet_filter(text: str, linktype: int, field: str = "bpf") -> None:
    """The same for a filter in tcpdump's words."""
    _check_text(text, field)
    if text.strip():
        with SandboxedProcess(tcpdump("-d", "--", text), Limits(CHECK_S, nice=0), [file_header(linktype)]) as child:
            _judge(child, text, field, "bad-bpf")


def check_rules(rules: tuple[str, ...], field: str = "decode_as") -> None:
    """Whether tshark knows what each is to be decoded as. Raises InvalidRequest, and DissectorMissing."""
    for rule in rules:
        with SandboxedProcess(tshark("-d", rule), Limits(CHECK_S, nice=0), [file_header()]) as child:
            for _ in child.blocks():
                pass
            if child.finish(accept=range(-64, 256)) != 0:
                message = f"tshark does not know {rule}: a selector of its own, and a protocol behind the comma"
                raise InvalidRequest([Fault("bad-decode-as", message, field)])


def shown_in(capture: Capture, marks: array[int], cut: Cut, stop: Event) -> Iterator[int]:
    """The same of a few packets that were cut out, by their own numbers. Raises DissectionError."""
    if not cut.numbers:
        return
    limits = Limits(WALL_S, SILENCE_S, MEMORY_BYTES, OUTPUT_BYTES, nice=0)
    with SandboxedProcess(
        tshark(*capture.arguments, "-Y", cut.text, *_NUMBER_ONLY),
        limits,
        capture.cut(cut.numbers, marks),
        stop=stop,
        readable=capture.readable,
    ) as child:
        for number in _ascending(child):
            yield cut.numbers[number - 1]
        child.finish()


def shown_by(capture: Capture, text: str, stop: Event, wall_s: float = WALL_S) -> Iterator[int]:
    """The numbers of the packets that the filter shows, ascending. Raises DissectionError."""
    source = capture.reopen()
    try:
        limits = Limits(wall_s, max(SILENCE_S * 5, wall_s - WALL_S), MEMORY_BYTES, OUTPUT_BYTES)
        command = tshark(*capture.arguments, "-Y", text, *_NUMBER_ONLY)
        with SandboxedProcess(command, limits, source, stop=stop, readable=capture.readable) as child:
            os.close(source)
            source = -1
            yield from _ascending(child)
            child.finish()
    finally:
        if source >= 0:
            os.close(source)


def _ascending(child: SandboxedProcess) -> Iterator[int]:
    """The numbers that the program writes, one on each line."""
    before = 0
    for line in child.lines():
        digits = line.strip()
        if not digits.isdigit() or int(digits) <= before:
            raise DissectionError("it did not answer with numbers of packets")
        before = int(digits)
        yield before


def _check_text(text: str, field: str) -> None:
    if len(text) > LONGEST_FILTER:
        raise InvalidRequest([Fault("bad-filter", f"a filter may have {LONGEST_FILTER:,} characters", field)])
    odd = next((place for place, character in enumerate(text) if not character.isprintable()), None)
    if odd is not None:
        raise InvalidRequest([Fault("bad-filter", "a filter is one line of printable characters", field, odd)])


def _judge(child: SandboxedProcess, text: str, field: str, code: str) -> None:
    """Read what the program says about the filter."""
    for _ in child.blocks():
        pass
    if child.finish(accept=range(-64, 256)) == 0:
        return
    said = [line for line in child.said.decode("utf-8", "replace").splitlines() if "Running as user" not in line]
    message = next((_PROGRAM.sub("", line) for line in said if _PROGRAM.match(line)), "")
    if not message:
        raise DissectionError(child.stderr_summary[-200:] or "the filter could not be checked")
    raise InvalidRequest([Fault(code, message[:500], field, _position(said, text))])


def _position(said: list[str], text: str) -> int | None:
    """Where the line of `^~~~` below the filter points to."""
    for line in said:
        found = _MARKED.match(line)
        if found:
            # tshark repeats the filter behind four blanks, and the mark stands below it.
            return min(max(len(found["indent"]) - 4, 0), len(text))
    return None
