"""One case of a random test: a source with holes, asked several times. For `test_holes`."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

from docket.config.model import CaptureFilesConfig
from docket.index.index_files import IndexLayout
from docket.workers.sources.base import Source
from docket.workers.sources.capture_files.directory import CaptureFilesSource
from docket.workers.sources.stenographer.store import StenographerSource
from tests.faults import scripts
from tests.faults.certificates import Authority, Pair
from tests.faults.packets import Packet
from tests.faults.stand_in import StandIn
from tests.holes import files
from tests.holes.oracle import Asked, Told, Truth, clear_holes, packets
from tests.holes.recording import ETHERNET, QUESTIONS, US, Recording, random_recording
from tests.index.captures import index_directory
from tests.workers.requests import Heard, SetClock, ask, read, steno_config

QUESTIONS_EACH = 3
FEW_FILES = 5
STORE_QUESTIONS = ["", "port 53", "port 7777", "not port 53"]
"""What a stand-in understands, and what it need not."""


def of_a_directory(seed: int, place: Path) -> list[str]:
    """What is wrong with the answers of a capture directory."""
    chance = random.Random(seed)
    recording = random_recording(chance)
    directory = place / "captures"
    directory.mkdir(parents=True)
    made = files.write(chance, recording, directory)
    selector = index_directory(directory, IndexLayout(place / "index")) if chance.random() < 0.4 else None
    clock = SetClock(recording.now_us)
    config = CaptureFilesConfig(name="rock01:em1", path=directory, flush_lag_s=0)
    truth = Truth(
        recording.wire,
        made.recorded,
        made.intact,
        # A clock that was set ahead while a file grew looks like a pause, unless other files tell what is usual.
        [] if recording.odd_clock and len(recording.files) < FEW_FILES else clear_holes(recording),
        recording.period_us,
        _is_healthy(recording) and not made.damaged and not any(one.short for one in made.recorded),
        None if recording.odd_clock or made.damaged or not made.recorded else made.recorded[0].time_ns // 1000,
        recording.now_us,
    )
    return _asked(chance, CaptureFilesSource(config, clock, selector), truth, list(QUESTIONS), clock)


def of_a_store(seed: int, authority: Authority, server: Pair, client: Pair) -> list[str]:
    """The same of a stenographer, which has files of a minute, and one every five minutes where nothing passes."""
    chance = random.Random(seed)
    recording = _ethernet(chance)
    stored = [Packet(one.time_ns // 1000, one.data) for one in recording.recorded]
    begun = sorted({one.time_us // (60 * US) for one in stored})
    quiet = _while_quiet(recording, begun)
    script = chance.choice((scripts.serve,) * 3 + _broken(chance, len(stored)))
    with StandIn(stored, authority, server, script, empty_files=quiet, shows_index=chance.random() < 0.7) as steno:
        clock = SetClock(recording.now_us)
        config = steno_config(steno, client, flush_lag_s=0)
        source = StenographerSource(config, clock)
        recorded = recording.recorded
        known_us = begun[0] * 60 * US if begun else None
        intact = Counter(one.key for one in recorded) if script is scripts.serve else Counter()
        truth = Truth(
            recording.wire,
            recorded,
            intact,
            clear_holes(recording),
            5 * 60 * US,
            _is_healthy(recording) and script is scripts.serve,
            known_us,
            recording.now_us,
            settled_us=5 * US,
        )
        try:
            return _asked(chance, source, truth, STORE_QUESTIONS, clock)
        finally:
            source.close()


def _asked(chance: random.Random, source: Source, truth: Truth, questions: Sequence[str], clock: SetClock) -> list[str]:
    """Some questions, of which later ones meet what the earlier ones have learned; what is wrong with the answers."""
    wrong = []
    for _ in range(QUESTIONS_EACH):
        asked = _question(chance, truth, questions)
        heard = Heard()
        request = ask(
            asked.after_us, asked.before_us, asked.query, wait_for_flush=False, requested_at_us=clock.now_us()
        )
        finding = read(source, request, heard, clock=clock)
        came = Counter(
            key
            for fragment in heard.latest
            if fragment.body
            for key in packets(bytes(fragment.body), fragment.linktype, nanoseconds=fragment.nanoseconds)
        )
        told = Told(finding.verdict.value, finding.sentence, came)
        wrong += [f"{fault}: {asked} {told.verdict} {told.sentence}" for fault in truth.faults(asked, told)]
    return wrong


def _question(chance: random.Random, truth: Truth, questions: Sequence[str]) -> Asked:
    """About a stretch anywhere, often at the edge of a hole or of a packet."""
    times = [one.time_ns // 1000 for one in truth.wire]
    edges = [edge for hole in truth.holes for edge in hole]
    after_us = chance.choice([chance.choice(times), *edges]) + chance.choice((0, 1, -1, 45 * US, -300 * US))
    length_us = chance.choice((US, 60 * US, 10 * truth.period_us, times[-1] - times[0]))
    return Asked(chance.choice(questions), after_us, after_us + length_us)


def _is_healthy(recording: Recording) -> bool:
    """Packets came all the time, and were recorded all the time."""
    return not recording.holes and not recording.odd_clock and recording.longest_pause_us < 60 * US


def _ethernet(chance: random.Random) -> Recording:
    """What a stenographer can record: one link type, whole packets, its own clock."""
    while True:
        recording = random_recording(chance)
        if not recording.odd_clock and recording.files and {one.linktype for one in recording.wire} == {ETHERNET}:
            return recording


def _while_quiet(recording: Recording, begun: Sequence[int]) -> tuple[int, ...]:
    """Starts of the files without packets: every five minutes as long as it runs."""
    starts, minute = [], begun[0]
    latest = minute
    while minute * 60 * US < recording.now_us:
        if minute in begun:
            latest = minute
        elif recording.running(minute * 60 * US) and minute - latest >= 5:
            starts.append(minute * 60 * US)
            latest = minute
        minute += 1
    return tuple(starts)


def _broken(chance: random.Random, packets_stored: int) -> tuple[scripts.Script, ...]:
    after = chance.randrange(max(packets_stored, 1))
    return scripts.clean_end(after), scripts.half_record(after), scripts.broken(after)
