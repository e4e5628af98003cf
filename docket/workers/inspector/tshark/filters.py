"""Display filters: whether one is understood, and which packets of a capture it shows. For the inspector.

A filter is an argument of tshark, never a part of a shell's line. The numbers of the packets come in order while
the file is read, so the first page of a rare find does not wait for the end. What a filter costs is bounded: a long one
takes long to compile, and a regular expression can take a second for a single packet.
"""

from __future__ import annotations

import os
import re
import signal
from array import array
from collections.abc import Iterator
from threading import Event

from docket.errors import DissectionError, Fault, InvalidRequest
from docket.packet.pcap import file_header
from docket.workers.inspector.tshark.narrowing import Cut
from docket.workers.inspector.tshark.process import Limits, OutOfTime, SandboxedProcess
from docket.workers.inspector.tshark.result_capture import Capture
from docket.workers.inspector.tshark.tshark_programs import tcpdump, tshark

LONGEST_FILTER = 4_000
CHECK_S = 30.0
CHECK_CPU_S = 5.0
"""The longest that the original programs need for filters which people write is 0.3 s."""
WALL_S = 300.0
FILTER_CPU_S = 30.0
FILTER_CPU_S_PER_PACKET = 0.0005
"""Beside FILTER_CPU_S; dissecting and ordinary filters take 0.01 to 0.05 ms."""
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
        _check(tshark("-Y", text), file_header(), text, field, "bad-filter", None)


def check_packet_filter(text: str, linktype: int, field: str = "bpf", stop: Event | None = None) -> None:
    """The same for a filter in tcpdump's words. Raises DissectionError if stopped."""
    _check_text(text, field)
    if text.strip():
        _check(tcpdump("-d", "--", text), file_header(linktype), text, field, "bad-bpf", stop)


def check_rules(rules: tuple[str, ...], field: str = "decode_as") -> None:
    """Whether tshark knows what each is to be decoded as. Raises InvalidRequest, and DissectorMissing."""
    for rule in rules:
        limits = Limits(CHECK_S, nice=0, cpu_s=CHECK_CPU_S)
        with SandboxedProcess(tshark("-d", rule), limits, [file_header()]) as child:
            for _ in child.blocks():
                pass
            if child.finish(accept=range(-64, 256)) != 0:
                message = f"tshark does not know {rule}: a selector of its own, and a protocol behind the comma"
                raise InvalidRequest([Fault("bad-decode-as", message, field)])


def shown_in(capture: Capture, marks: array[int], cut: Cut, stop: Event) -> Iterator[int]:
    """The same of a few packets that were cut out, by their own numbers. Raises DissectionError."""
    if not cut.numbers:
        return
    cpu_s = filter_cpu_s(len(cut.numbers))
    limits = Limits(WALL_S, SILENCE_S, MEMORY_BYTES, OUTPUT_BYTES, nice=0, cpu_s=cpu_s)
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
        silence_s = max(SILENCE_S * 5, wall_s - WALL_S)
        limits = Limits(wall_s, silence_s, MEMORY_BYTES, OUTPUT_BYTES, cpu_s=filter_cpu_s(capture.packets))
        command = tshark(*capture.arguments, "-Y", text, *_NUMBER_ONLY)
        with SandboxedProcess(command, limits, source, stop=stop, readable=capture.readable) as child:
            os.close(source)
            source = -1
            yield from _ascending(child)
            child.finish()
    finally:
        if source >= 0:
            os.close(source)


def filter_cpu_s(packets: int) -> float:
    """What one filter may use of the processor for so many packets."""
    return FILTER_CPU_S + packets * FILTER_CPU_S_PER_PACKET


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


def _check(command: list[str], capture: bytes, text: str, field: str, code: str, stop: Event | None) -> None:
    """Have the program compile the filter, for an empty capture."""
    try:
        with SandboxedProcess(command, Limits(CHECK_S, nice=0, cpu_s=CHECK_CPU_S), [capture], stop=stop) as child:
            _judge(child, text, field, code)
    except OutOfTime as error:
        message = f"this filter is too costly: {error} to compile; ask for networks and ranges instead of single values"
        raise InvalidRequest([Fault("costly-filter", message, field)]) from error


def _judge(child: SandboxedProcess, text: str, field: str, code: str) -> None:
    """Read what the program says about the filter."""
    for _ in child.blocks():
        pass
    ended = child.finish(accept=range(-64, 256))
    if ended == 0:
        return
    if ended < 0:
        message = f"this filter ends the program that reads it ({signal.Signals(-ended).name}); write it in other words"
        raise InvalidRequest([Fault(code, message, field)])
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
