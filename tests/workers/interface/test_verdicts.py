"""Every verdict that a worker gives, reached by a real cause: a store that behaves as stenographer can."""

import threading

import pytest

from docket.bus.messages import Fragment, FragmentKind
from docket.domain.job import Verdict
from docket.packet.pcap import RECORD_HEADER_BYTES, file_header
from docket.workers.interface.reader import Stopped
from docket.workers.sources.stenographer.store import StenographerSource
from tests.faults import scripts
from tests.faults.certificates import Authority, Pair
from tests.faults.packets import Packet, capture, record
from tests.faults.scripts import Asked, Script
from tests.faults.stand_in import StandIn
from tests.services.ports import free_port
from tests.services.waiting import wait_until
from tests.workers.requests import START_US, US, Heard, SetClock, ask, read, steno_config

MINUTE_US = 60 * US
AFTER_US, BEFORE_US = START_US + MINUTE_US, START_US + 3 * MINUTE_US


def matching(packets: list[Packet], after_us: int = AFTER_US, before_us: int = BEFORE_US) -> list[Packet]:
    """The truth for port 53: every other packet."""
    return [packet for packet in packets[::2] if after_us <= packet.time_us < before_us]


def test_complete(source: StenographerSource, packets: list[Packet]) -> None:
    """Exactly the window comes out, although the store sends minutes more on both sides, which are counted."""
    heard = Heard()
    finding = read(source, ask(AFTER_US, BEFORE_US), heard)
    truth = matching(packets)
    assert (finding.verdict, finding.usable) == (Verdict.COMPLETE, True)
    assert heard.body == capture(truth)
    assert sum(fragment.packets for fragment in heard.latest) == len(truth) == 1200 // 2
    assert sum(fragment.trimmed for fragment in heard.latest) == 1500 - 600
    assert heard.latest[-1].through_us == BEFORE_US


def test_edges_to_the_microsecond(source: StenographerSource, packets: list[Packet]) -> None:
    """A packet at the first instant belongs to the window, one at its end does not, a microsecond decides."""
    first, last = packets[700].time_us, packets[800].time_us
    results = []
    for after_us, before_us in ((first, last), (first + 1, last), (first, last + 1)):
        heard = Heard()
        read(source, ask(after_us, before_us), heard)
        results.append((heard.times_us[0], heard.times_us[-1]))
    second, before_last = packets[702].time_us, packets[798].time_us
    assert results == [(first, before_last), (second, before_last), (first, last)]


def test_empty(source: StenographerSource) -> None:
    """A whole window without a match is known to be empty."""
    finding = read(source, ask(AFTER_US, BEFORE_US, "port 7777"))
    assert (finding.verdict, finding.usable) == (Verdict.EMPTY, True)


def test_empty_for_a_vlan_comes_with_advice(source: StenographerSource, steno: StandIn) -> None:
    """Who asks for a VLAN and gets nothing hears that the capture loses the outermost tag."""
    steno.script = scripts.clean_end(0)
    finding = read(source, ask(AFTER_US, BEFORE_US, "vlan 100"))
    assert (finding.verdict, "VLAN tag" in finding.next_step) == (Verdict.EMPTY, True)


@pytest.mark.parametrize("wanted", [1, 100, 599])
def test_limited_in_packets(source: StenographerSource, packets: list[Packet], wanted: int) -> None:
    """Exactly so many packets come, the earliest ones, and the verdict tells that more matched."""
    heard = Heard()
    finding = read(source, ask(AFTER_US, BEFORE_US, packets=wanted), heard)
    assert (finding.verdict, "more matched" in finding.sentence) == (Verdict.LIMITED, True)
    assert heard.body == capture(matching(packets)[:wanted])


def test_limited_in_bytes(source: StenographerSource, packets: list[Packet]) -> None:
    """Whole records up to the limit come, headers counted."""
    size = len(packets[0].data) + RECORD_HEADER_BYTES
    heard = Heard()
    finding = read(source, ask(AFTER_US, BEFORE_US, size_bytes=10 * size + 5), heard)
    assert finding.verdict is Verdict.LIMITED
    assert heard.body == capture(matching(packets)[:10])


def test_limit_of_exactly_what_is_there_is_no_limit(source: StenographerSource) -> None:
    """When the last matching packet is the last that the limit allows, the answer is complete."""
    heard = Heard()
    finding = read(source, ask(AFTER_US, BEFORE_US, packets=600), heard)
    assert (finding.verdict, len(heard.times_us)) == (Verdict.COMPLETE, 600)


def test_byte_limit_of_the_installation_holds_for_all(source: StenographerSource) -> None:
    """A job that asks for no limit, or a higher one, is stopped at the installation's own."""
    finding = read(source, ask(AFTER_US, BEFORE_US, size_bytes=10**9), most_bytes=1000)
    assert finding.verdict is Verdict.LIMITED


def test_limit_without_proof_of_more_says_so(
    source: StenographerSource, steno: StandIn, monkeypatch: pytest.MonkeyPatch
) -> None:
    """At its limit the reading looks for one more packet only for a while, and tells that it does not know."""
    monkeypatch.setattr("docket.workers.interface.reader.LOOK_FURTHER_S", 0.3)
    steno.script = scripts.silent(after=700)
    inside = sum(packet.time_us >= AFTER_US for packet in steno.packets[:1400:2])
    finding = read(source, ask(AFTER_US, BEFORE_US, packets=inside))
    assert (finding.verdict, "not looked for" in finding.sentence) == (Verdict.LIMITED, True)


def test_store_that_stops_at_the_limit_it_was_given_is_asked_again(
    source: StenographerSource, steno: StandIn, packets: list[Packet], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The store's own limit never costs a packet: the second run is without it, and is the one that counts."""
    monkeypatch.setattr("docket.workers.interface.reader._with_headroom", lambda limit, *_: limit)
    heard = Heard()
    finding = read(source, ask(AFTER_US, BEFORE_US, packets=550), heard)
    assert (finding.verdict, len(steno.queries)) == (Verdict.LIMITED, 2)
    assert heard.body == capture(matching(packets)[:550])


@pytest.mark.parametrize(
    ("script", "why"),
    [
        (scripts.half_record(after=700), "half a record"),
        (scripts.broken(after=700), "broke off"),
    ],
)
def test_cut(source: StenographerSource, steno: StandIn, packets: list[Packet], script: Script, why: str) -> None:
    """An answer that ends early keeps all its whole packets."""
    steno.script = script
    heard = Heard()
    finding = read(source, ask(AFTER_US, BEFORE_US), heard)
    assert (finding.verdict, finding.usable) == (Verdict.CUT, True)
    assert why in finding.sentence
    assert heard.body == capture([packet for packet in packets[::2][:700] if packet.time_us >= AFTER_US])


def test_cut_by_a_reset(source: StenographerSource, steno: StandIn, packets: list[Packet]) -> None:
    """A reset may overtake the last packets, but what came before it is kept."""
    steno.script = scripts.broken(after=700, reset=True)
    heard = Heard()
    finding = read(source, ask(AFTER_US, BEFORE_US), heard)
    assert (finding.verdict, "broke off" in finding.sentence) == (Verdict.CUT, True)
    assert capture(matching(packets)).startswith(heard.body)


def test_cut_tells_how_far_it_came(source: StenographerSource, steno: StandIn) -> None:
    """The sentence names the last packet and its distance from the end of the window."""
    steno.script = scripts.half_record(after=700)
    sentence = read(source, ask(AFTER_US, BEFORE_US)).sentence
    assert sentence.endswith("from 2023-11-14 22:15:19 UTC, 40.2 s before the end of what was asked.")


def test_cut_that_looks_like_a_normal_end(
    source: StenographerSource, steno: StandIn, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A clean end near stenographer's own 15-minute stop is not believed."""
    monkeypatch.setattr("docket.workers.sources.stenographer.store.SUSPICIOUS_AFTER_S", 0.0)
    steno.script = scripts.clean_end(after=700)
    finding = read(source, ask(AFTER_US, BEFORE_US))
    assert (finding.verdict, "probably not whole" in finding.sentence) == (Verdict.CUT, True)


def test_cut_by_files_that_age_off_while_they_are_read(source: StenographerSource, steno: StandIn) -> None:
    """Stenographer ends an answer early when a file ages off; so an answer during which one did is not believed."""

    def ages(asked: Asked) -> list[bytes]:
        steno.oldest_us = START_US + MINUTE_US
        return list(scripts.clean_end(after=5)(asked))  # type: ignore[arg-type]

    steno.script = ages
    finding = read(source, ask(AFTER_US, BEFORE_US))
    assert (finding.verdict, "removed packets" in finding.sentence) == (Verdict.CUT, True)


def test_cut_by_garbage_between_the_packets(source: StenographerSource, steno: StandIn, packets: list[Packet]) -> None:
    """Packets before the garbage are good, and the sentence names the byte."""

    def script(asked: Asked) -> list[bytes]:
        return [*list(scripts.serve(asked))[:700], b"\xff" * 40, capture(asked.packets)]

    steno.script = script
    heard = Heard()
    finding = read(source, ask(AFTER_US, BEFORE_US), heard)
    offset = 24 + len(capture(packets[::2][:699]))
    assert (finding.verdict, f"at byte {offset} " in finding.sentence) == (Verdict.CUT, True)
    assert heard.body == capture([packet for packet in packets[::2][:699] if packet.time_us >= AFTER_US])


def test_aged_out(source: StenographerSource, packets: list[Packet]) -> None:
    """A window that begins before the oldest packet says from when on there is data and how much is gone."""
    heard = Heard()
    finding = read(source, ask(START_US - 130 * MINUTE_US, BEFORE_US), heard)
    assert (finding.verdict, finding.usable) == (Verdict.AGED_OUT, True)
    assert finding.sentence == (
        "Data on rock01:em1 begins 2023-11-14 22:13:00 UTC; the first 2 h 10 min of your window are gone."
    )
    assert heard.body == capture(matching(packets, START_US))


def test_aged_out_altogether(source: StenographerSource, steno: StandIn) -> None:
    """A window that is gone as a whole is of no use, and the store is not even asked for it."""
    finding = read(source, ask(START_US - 3 * MINUTE_US, START_US - MINUTE_US))
    assert (finding.verdict, finding.usable, steno.queries) == (Verdict.AGED_OUT, False, [])


def test_aged_out_with_nothing_on_disk(authority: Authority, server: Pair, client: Pair) -> None:
    """A store without any file has proved nothing."""
    with StandIn([], authority, server) as steno:
        finding = read(StenographerSource(steno_config(steno, client)), ask(AFTER_US, BEFORE_US))
    assert (finding.verdict, finding.usable) == (Verdict.AGED_OUT, False)
    assert "no packets on disk" in finding.sentence


@pytest.mark.parametrize(
    ("script", "why"),
    [
        (scripts.status(400), "HTTP status 400: could not parse query"),
        (scripts.status(403, "forbidden\n"), "HTTP status 403: forbidden"),
        (scripts.status(500, "no\x1b[31m\x00 disk\r\n"), "HTTP status 500: no [31m disk"),
        (scripts.web_page, "text in place of packets: <html><body><h1>Log in</h1>"),
        (lambda _: [b"GARBAGE! " * 10], "this is no capture: it begins with the bytes 47 41 52 42"),
        (lambda _: [file_header()[:11]], "after 11 of 24 bytes"),
        (lambda _: [], r"begins with the bytes (none)"),
        (lambda _: [b"\x0a\x0d\x0d\x0a" * 20], "pcapng"),
    ],
)
def test_refused(source: StenographerSource, steno: StandIn, script: Script, why: str) -> None:
    """Whatever is no capture is refused, with what came in its place, harmless to print."""
    steno.script = script
    finding = read(source, ask(AFTER_US, BEFORE_US))
    assert (finding.verdict, finding.usable) == (Verdict.REFUSED, False)
    assert why in finding.sentence


def test_garbage_right_after_the_header(source: StenographerSource, steno: StandIn) -> None:
    """A good header does not make garbage an answer."""
    steno.script = scripts.garbage
    finding = read(source, ask(AFTER_US, BEFORE_US))
    assert (finding.verdict, finding.usable) == (Verdict.CUT, False)
    assert "at byte 24 " in finding.sentence


def test_unreachable(steno: StandIn, client: Pair) -> None:
    """A port where nobody listens is tried for a while."""
    config = steno_config(steno, client, url=f"https://127.0.0.1:{free_port()}")
    heard = Heard()
    # A busy machine makes the first tries late, and only later ones are told of.
    finding = read(StenographerSource(config), ask(AFTER_US, BEFORE_US), heard, patience_s=6.0)
    assert (finding.verdict, finding.usable) == (Verdict.UNREACHABLE, False)
    assert "Connection refused" in finding.sentence
    assert "Trying again" in heard.sentences[0]


def test_store_that_comes_back_within_the_patience_is_used(
    packets: list[Packet], authority: Authority, server: Pair, client: Pair
) -> None:
    """A store that is being restarted costs time, not the answer."""
    steno = StandIn(packets, authority, server, port=free_port())
    source = StenographerSource(steno_config(steno, client))
    findings = []
    asking = threading.Thread(
        target=lambda: findings.append(read(source, ask(AFTER_US, BEFORE_US), Heard(), patience_s=20))
    )
    asking.start()
    with steno:
        asking.join(30)
    assert [finding.verdict for finding in findings] == [Verdict.COMPLETE]


def fresh(steno: StandIn, client: Pair, age_us: int) -> tuple[StenographerSource, SetClock]:
    """A source whose newest packet is as old as said, with a flush that takes 120 s."""
    clock = SetClock(START_US + 5 * MINUTE_US + age_us)
    return StenographerSource(steno_config(steno, client), clock), clock


def test_not_yet(steno: StandIn, client: Pair, packets: list[Packet]) -> None:
    """A job that may not wait gets what is on disk, and hears from when on packets are missing, and when to retry."""
    source, clock = fresh(steno, client, age_us=0)
    heard = Heard()
    request = ask(AFTER_US, START_US + 5 * MINUTE_US, wait_for_flush=False, requested_at_us=clock.time_us)
    finding = read(source, request, heard, clock=clock)
    assert (finding.verdict, finding.usable) == (Verdict.NOT_YET, True)
    assert finding.sentence == (
        "rock01:em1 had not yet written the packets from 2023-11-14 22:17:00 UTC to 2023-11-14 22:18:00 UTC."
    )
    assert finding.next_step == "Retry after 2023-11-14 22:20:00 UTC."
    assert heard.body == capture(matching(packets, AFTER_US, START_US + 5 * MINUTE_US))


def test_waits_for_the_flush(
    steno: StandIn, client: Pair, packets: list[Packet], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A job that may wait says until when, waits, and is complete."""
    monkeypatch.setattr("docket.workers.interface.reader.FLUSH_POLL_S", 0.01)
    source, clock = fresh(steno, client, age_us=0)
    heard = Heard()

    def time_goes_on(fragment: Fragment) -> None:
        if fragment.sentence:
            clock.time_us += 121 * US

    heard.before_publish = time_goes_on
    request = ask(AFTER_US, START_US + 5 * MINUTE_US, requested_at_us=clock.time_us)
    finding = read(source, request, heard, clock=clock)
    assert heard.sentences == ["Waiting until 22:20:00 UTC for rock01:em1 to write its packets."]
    assert finding.verdict is Verdict.COMPLETE
    assert heard.body == capture(matching(packets, AFTER_US, START_US + 5 * MINUTE_US))


def test_does_not_wait_past_the_deadline(steno: StandIn, client: Pair, monkeypatch: pytest.MonkeyPatch) -> None:
    """When the flush would come after the deadline, what is there is read in time for it."""
    monkeypatch.setattr("docket.workers.interface.reader.FLUSH_POLL_S", 0.01)
    source, clock = fresh(steno, client, age_us=0)
    heard = Heard()

    def time_goes_on(fragment: Fragment) -> None:
        if fragment.sentence:
            clock.time_us += 48 * US

    heard.before_publish = time_goes_on
    end_us = START_US + 5 * MINUTE_US
    finding = read(source, ask(AFTER_US, end_us, requested_at_us=end_us, deadline_s=60), heard, clock=clock)
    assert heard.sentences == ["Waiting until 22:18:48 UTC for rock01:em1 to write its packets."]
    assert (finding.verdict, finding.usable) == (Verdict.NOT_YET, True)


def test_capture_that_stands_still_is_not_taken_for_silence(steno: StandIn, client: Pair) -> None:
    """When the newest file is far too old, a later window is a gap: it is neither empty nor worth waiting for."""
    source, clock = fresh(steno, client, age_us=3600 * US)
    later_us = START_US + 30 * MINUTE_US
    finding = read(source, ask(later_us, later_us + MINUTE_US, requested_at_us=clock.time_us), clock=clock)
    assert (finding.verdict, finding.usable) == (Verdict.GAP, True)
    assert "no file was begun since" in finding.sentence
    assert "see why its recorder stood still" in finding.next_step


@pytest.mark.parametrize("after", [-1, 0, 3])
def test_silent_store_is_left_within_a_second(source: StenographerSource, steno: StandIn, after: int) -> None:
    """A reading that is stopped leaves a silent store at once, says nothing more, and the store's query ends."""
    steno.script = scripts.silent(after)
    stop = threading.Event()
    heard = Heard()
    stopped: list[type[BaseException]] = []

    def run() -> None:
        try:
            read(source, ask(AFTER_US, BEFORE_US), heard, stop=stop)
        except Stopped as error:
            stopped.append(type(error))

    reader = threading.Thread(target=run)
    reader.start()
    wait_until(lambda: steno.open_queries == 1, "the query to arrive")
    stop.set()
    reader.join(5)
    assert stopped == [Stopped]
    assert heard.of(FragmentKind.END) == []
    wait_until(lambda: steno.open_queries == 0, "the store to see that nobody listens", timeout_s=2.0)


@pytest.mark.parametrize("script", [scripts.nanoseconds, scripts.big_endian], ids=["nanoseconds", "big-endian"])
def test_foreign_forms_are_converted(
    source: StenographerSource, steno: StandIn, packets: list[Packet], script: Script
) -> None:
    """Another classic form of PCAP gives the same packets; nanoseconds stay nanoseconds."""
    steno.script = script
    heard = Heard()
    assert read(source, ask(AFTER_US, BEFORE_US), heard).verdict is Verdict.COMPLETE
    per_us = 1_000 if script is scripts.nanoseconds else 1
    assert heard.body == b"".join(record(packet, per_us=per_us) for packet in matching(packets))


def test_packets_out_of_order_are_all_there(source: StenographerSource, steno: StandIn, packets: list[Packet]) -> None:
    """The order of a store does not matter for what is inside the window."""
    steno.script = scripts.out_of_order
    heard = Heard()
    assert read(source, ask(AFTER_US, BEFORE_US), heard).verdict is Verdict.COMPLETE
    assert heard.body == capture(reversed(matching(packets)))


def test_link_type_is_handed_on(source: StenographerSource, steno: StandIn) -> None:
    """The link type of the answer stands in its fragments."""
    steno.script = scripts.link_type(113)
    heard = Heard()
    read(source, ask(AFTER_US, BEFORE_US), heard)
    assert {fragment.linktype for fragment in heard.of(FragmentKind.DATA)} == {113}


def test_endless_answer_stops_at_the_limit(source: StenographerSource, steno: StandIn) -> None:
    """A store that never ends fills the limit and is left."""
    steno.script = scripts.endless
    finding = read(source, ask(AFTER_US, BEFORE_US, size_bytes=5_000_000))
    assert finding.verdict is Verdict.LIMITED
    wait_until(lambda: steno.open_queries == 0, "the store to see that nobody listens")
