"""The sample traffic, as `docket run --demo` shows it: the last hour's, in order, and the same from both sides."""

import hashlib
import time
from pathlib import Path

import pytest

import docket.demo
from docket.demo import place_demo
from docket.packet.pcap import FILE_HEADER_BYTES, scan

US = 1_000_000
NOW_US = 1_795_500_000 * US + 123_456
SAMPLES = Path(docket.demo.__file__).parent

Packet = tuple[int, bytes]


def packets(*paths: Path) -> list[Packet]:
    """Read (time in µs, frame) pairs of captures, one after the other."""
    found: list[Packet] = []
    for path in paths:
        content = path.read_bytes()
        times, places, end = scan(content, FILE_HEADER_BYTES)
        assert end == len(content)
        found += [(time_us, content[places[i] + 16 : places[i + 1]]) for i, time_us in enumerate(times)]
    return found


@pytest.fixture(scope="module")
def placed(tmp_path_factory: pytest.TempPathFactory) -> dict[str, list[Path]]:
    """The files by source, placed for NOW_US."""
    files: dict[str, list[Path]] = {}
    for source, path in place_demo(tmp_path_factory.mktemp("demo"), NOW_US):
        files.setdefault(source, []).append(path)
    return files


def test_files_are_named_as_dumpcap_names_them(placed: dict[str, list[Path]]) -> None:
    """Each interface has six files of ten minutes, in a directory of its own, with number and time in the name."""
    for source, paths in placed.items():
        interface = source.removeprefix("demo:")
        begin_s = packets(paths[0])[0][0] // US
        begun = [time.strftime("%Y%m%d%H%M%S", time.gmtime(begin_s + 600 * number)) for number in range(6)]
        names = [f"{interface}/{interface}_{number:05}_{at}.pcap" for number, at in enumerate(begun, start=1)]
        assert [f"{path.parent.name}/{path.name}" for path in paths] == names


@pytest.mark.parametrize("interface", ["em1", "em2"])
def test_every_packet_is_there_once(placed: dict[str, list[Path]], interface: str) -> None:
    """The files of an interface hold the frames of the sample, no more and no less."""
    frames = sorted(frame for _, frame in packets(*placed[f"demo:{interface}"]))
    assert frames == sorted(frame for _, frame in packets(SAMPLES / f"{interface}.pcap"))


@pytest.mark.parametrize("interface", ["em1", "em2"])
def test_times_ascend_over_the_last_hour(placed: dict[str, list[Path]], interface: str) -> None:
    """From file to file the times ascend strictly, from within a minute of an hour ago to a minute ago."""
    times = [time_us for time_us, _ in packets(*placed[f"demo:{interface}"])]
    assert times == sorted(set(times))
    assert NOW_US - 3600 * US <= times[0] < NOW_US - 3540 * US
    assert NOW_US - 180 * US < times[-1] <= NOW_US - 60 * US


def test_files_were_last_touched_at_their_last_packet(placed: dict[str, list[Path]]) -> None:
    """A file's time of modification is that of its last packet, as the capture index expects."""
    paths = [path for files in placed.values() for path in files]
    assert [path.stat().st_mtime_ns // 1000 for path in paths] == [packets(path)[-1][0] for path in paths]


def tcp_flows(found: list[Packet]) -> dict[bytes, list[Packet]]:
    """Group the untagged TCP packets of IPv4 by their ends, whichever direction."""
    flows: dict[bytes, list[Packet]] = {}
    for packet in found:
        frame = packet[1]
        if frame[12:14] == b"\x08\x00" and frame[23] == 6:
            ends = sorted((frame[26:30] + frame[34:36], frame[30:34] + frame[36:38]))
            flows.setdefault(b"".join(ends), []).append(packet)
    return flows


@pytest.mark.parametrize("interface", ["em1", "em2"])
def test_conversation_keeps_its_rhythm(placed: dict[str, list[Path]], interface: str) -> None:
    """Inside a TCP connection order and distances are as recorded, but for the few µs that keep times apart."""
    shown = tcp_flows(packets(*placed[f"demo:{interface}"]))
    recorded = tcp_flows(packets(SAMPLES / f"{interface}.pcap"))
    assert shown.keys() == recorded.keys()
    for ends, flow in recorded.items():
        assert [frame for _, frame in shown[ends]] == [frame for _, frame in flow]
        shift_us = shown[ends][0][0] - flow[0][0]
        drift_us = [abs(new[0] - old[0] - shift_us) for new, old in zip(shown[ends], flow, strict=True)]
        assert max(drift_us) < 50


def test_conversations_are_spread_over_the_hour(placed: dict[str, list[Path]]) -> None:
    """TCP connections begin in every one of the six files."""
    starts = [flow[0][0] for flow in tcp_flows(packets(*placed["demo:em1"])).values()]
    tenths = {(start_us - NOW_US + 3590 * US) // (600 * US) for start_us in starts}
    assert tenths == {0, 1, 2, 3, 4, 5}


def through_the_router(found: list[Packet]) -> dict[bytes, int]:
    """Give the times of TCP packets by what a router does not change: all but TTL, its checksum and the MACs."""
    return {
        hashlib.sha256(frame[14:22] + frame[23:24] + frame[26:]).digest(): time_us
        for time_us, frame in found
        if frame[12:14] == b"\x08\x00" and frame[23] == 6
    }


def test_both_sides_agree_on_the_times(placed: dict[str, list[Path]]) -> None:
    """A packet that passed the router is on both interfaces within the time that the router took for it."""
    first, second = (through_the_router(packets(*placed[f"demo:{name}"])) for name in ("em1", "em2"))
    both = first.keys() & second.keys()
    assert len(both) > 500
    recorded = [through_the_router(packets(SAMPLES / f"{name}.pcap")) for name in ("em1", "em2")]
    for digest in both:
        router_us = recorded[1][digest] - recorded[0][digest]
        assert abs(second[digest] - first[digest] - router_us) < 50


@pytest.mark.parametrize("name", ["em1.pcap", "em2.pcap", "make demo-traffic", "record.py"])
def test_origin_is_written_down(name: str) -> None:
    """The README beside the samples says what they are and how to make them anew."""
    assert name in (SAMPLES / "README.md").read_text()
