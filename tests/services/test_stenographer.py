"""The real stenographers of the tests serve what tcpdump saw, packet for packet and with the same times."""

import shutil
import subprocess
from pathlib import Path

import pytest

from tests.services import needs, traffic
from tests.services.bulk import NEEDLE_CLIENT, NEEDLE_PACKETS, write_bulk
from tests.services.certificates import describe
from tests.services.recording import Recording, count_packets, record, shifted
from tests.services.stenographer import LiveStenographer, Monitored, StoredStenographer
from tests.services.truth import filtered, packets_of
from tests.services.waiting import wait_until

pytestmark = pytest.mark.stenographer

EVERYTHING = "after 2001-01-01T00:00:00Z"


def test_nothing_is_lost_and_times_agree(two_stenographers: dict[str, Monitored]) -> None:
    """A query for everything gives what tcpdump captured: as many packets, the same bytes and times."""
    for interface, monitored in two_stenographers.items():
        answer = packets_of(monitored.stenographer.query(EVERYTHING))
        assert sorted(answer) == sorted(packets_of(monitored.truth))
        assert len(answer) == len(traffic.sample(interface))


@pytest.mark.parametrize(
    ("query", "bpf"),
    [
        (f"host {traffic.ALICE}", f"ip and host {traffic.ALICE}"),
        (f"host {traffic.ALICE6} and port 443", f"host {traffic.ALICE6} and tcp port 443"),
        ("ip proto 58", "icmp6"),
        (f"host {traffic.VLAN_HOSTS[0]}", f"host {traffic.VLAN_HOSTS[0]}"),
        (f"vlan {traffic.INNER_VLAN}", f"vlan {traffic.INNER_VLAN}"),
        (f"mpls {traffic.MPLS_LABEL}", f"mpls {traffic.MPLS_LABEL}"),
    ],
)
def test_query_agrees_with_tcpdump(two_stenographers: dict[str, Monitored], query: str, bpf: str) -> None:
    """A filter gives, over both interfaces, the packets that tcpdump's filter takes, and takes some."""
    answers, truths = [], []
    for monitored in two_stenographers.values():
        answers += packets_of(monitored.stenographer.query(query))
        truths += filtered(monitored.truth, bpf)
    assert sorted(answers) == sorted(truths)
    assert truths


def test_outermost_vlan_tag_is_gone(two_stenographers: dict[str, Monitored]) -> None:
    """A single tag was on the wire, and neither the packets nor the index know of it."""
    em1 = two_stenographers["em1"]
    assert em1.recording.wire is not None
    assert len(filtered(em1.recording.wire, f"vlan {traffic.VLAN}")) == 40
    assert packets_of(em1.stenographer.query(f"vlan {traffic.VLAN}")) == []


def test_foreign_client_is_refused(two_stenographers: dict[str, Monitored]) -> None:
    """Each stenographer has a CA of its own and turns away the client of the other."""
    first, second = (two_stenographers[name].stenographer for name in ("em1", "em2"))
    foreign = ["--cert", str(second.cert), "--key", str(second.key)]
    with pytest.raises(subprocess.CalledProcessError):
        first.curl("/debug/stats", *foreign)


def test_certificates_have_the_shape_of_stenokeys(two_stenographers: dict[str, Monitored], tmp_path: Path) -> None:
    """Version, names and extensions are those of the certificates that the package makes."""
    server = two_stenographers["em1"].stenographer
    config = tmp_path / "config"
    certs = tmp_path / "certs"
    config.write_text(server.config.read_text().replace(str(server.certificates.directory), str(certs)))
    stenokeys = [needs.program("stenokeys", "stenographer-client"), "root", "root"]
    needs.program("jq", "jq")
    subprocess.run(stenokeys, env={"PATH": "/usr/bin:/bin", "STENOGRAPHER_CONFIG": str(config)}, check=True)
    for name in ("ca_cert.pem", "server_cert.pem", "client_cert.pem"):
        ours = server.certificates.directory / name
        assert describe(ours) == describe(certs / name)


def test_stop_kill_and_start_keep_the_address(stored_stenographer: StoredStenographer) -> None:
    """After stop or kill nobody answers; after start the same packets come from the same address."""
    before = stored_stenographer.query(EVERYTHING)
    for end in (stored_stenographer.stop, stored_stenographer.kill):
        end()
        with pytest.raises(subprocess.CalledProcessError):
            stored_stenographer.stats()
        stored_stenographer.start()
        assert sorted(packets_of(stored_stenographer.query(EVERYTHING))) == sorted(packets_of(before))


def test_limit_ends_the_answer(stored_stenographer: StoredStenographer) -> None:
    """A limit on packets is kept to the packet."""
    assert len(packets_of(stored_stenographer.query(EVERYTHING, limit_packets=7))) == 7


def test_stenoread_works_with_the_config(stored_stenographer: StoredStenographer) -> None:
    """The package's own client finds server and certificates through the fixture's config."""
    stenoread = needs.program("stenoread", "stenographer-client")
    output = subprocess.run(
        [stenoread, "icmp", "-n"],
        env={"PATH": "/usr/bin:/bin:/usr/sbin", "STENOGRAPHER_CONFIG": str(stored_stenographer.config)},
        check=True,
        capture_output=True,
        text=True,
    ).stdout
    assert output.count("ICMP echo") == 50


def test_shifted_file_is_the_same_an_hour_earlier(steno_directory: Path, recordings: dict[str, Recording]) -> None:
    """Files moved in time give the same packets, each exactly so much earlier, and are found by their own time."""
    hour_us = 3_600_000_000
    recording = recordings["em1"]
    earlier = [shifted(stored, -hour_us, steno_directory / "earlier") for stored in recording.files]
    server = StoredStenographer(steno_directory / "server-shifted", [*recording.files, *earlier])
    try:
        server.start()
        answer = packets_of(server.query("before 30m ago and icmp"))
    finally:
        server.close()
    assert recording.truth is not None
    truth = [(time_us - hour_us, frame) for time_us, frame in filtered(recording.truth, "icmp")]
    assert sorted(answer) == sorted(truth)


def test_bulk_is_recorded_without_loss(steno_directory: Path, tmp_path: Path) -> None:
    """A burst at full speed is in the files to the packet, and a narrow query finds its needle."""
    directory = steno_directory / "bulk"
    directory.mkdir()
    capture = tmp_path / "bulk.pcap"
    write_bulk(capture, 20_000)
    taken = record({"em1": capture}, directory, pace=["--mbps=400", "--preload-pcap"], with_truth=False)["em1"]
    assert sum(map(count_packets, taken.files)) == 20_000
    server = StoredStenographer(steno_directory / "server-bulk", taken.files)
    try:
        server.start()
        found = packets_of(server.query(f"host {NEEDLE_CLIENT}"))
    finally:
        server.close()
        shutil.rmtree(directory)
    assert len(found) == NEEDLE_PACKETS


def test_live_stenographer_shows_its_packets_after_a_while(steno_directory: Path, tmp_path: Path) -> None:
    """What is sent down the cable can be asked for once stenotype has written its file."""
    capture = tmp_path / "sample.pcap"
    traffic.write_sample(capture, "em1")
    server = LiveStenographer(steno_directory / "live", file_age_s=2)
    try:
        server.start()
        server.send(capture, "--topspeed")
        wait_until(lambda: len(packets_of(server.query("icmp"))) == 50, "50 packets to be readable", 60.0, 0.5)
    finally:
        server.close()
