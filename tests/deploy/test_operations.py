"""The page for operators says what is there: commands, units, settings, and words that Docket really says.

Every word of `docs/operations.md` in code marks belongs to one of the kinds below, or this fails.
"""

import re
import shlex
import ssl
from pathlib import Path

import pytest
import requests

from docket.bus import dead_letters, topology
from docket.bus.interface import QueueDepth
from docket.bus.memory.memory_broker import MemoryBroker
from docket.cli import make_parser
from docket.cli.checks import SOON, queues
from docket.cli.commands.status import _check_lines, _queue_lines
from docket.config.loader import every_setting
from docket.domain.api import Check, Health, Status
from docket.domain.clock import Clock
from docket.domain.event import EventMessage
from docket.domain.job import EventName, State, Verdict
from docket.domain.request import LONGEST_DEADLINE_S
from docket.domain.source import SourceStatus
from docket.errors import BusLost, SourceError, SpoolFull
from docket.runtime.exit_codes import ExitCode
from docket.spool.layout import Spool
from docket.web.health.health_faults import _of_queue
from docket.web.health.readiness import ADVICE
from docket.web.http.api_errors import from_exception
from docket.web.jobs.service import _clock_faults
from docket.workers.collector import outcome_texts
from docket.workers.collector.part import Part
from docket.workers.collector.source_registry import SourceRegistry
from docket.workers.sources.stenographer.server_identity import (
    NameMismatch,
    check_name,
    client_context,
    explain_tls_failure,
)
from docket.workers.sources.stenographer.session import StenoSession
from tests.faults.certificates import Authority
from tests.services.ports import free_port

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs/operations.md").read_text()
BLOCKS = [line.partition("#")[0].strip() for line in re.findall(r"^    (.+)$", PAGE, flags=re.MULTILINE)]
WORDS = list(dict.fromkeys(re.findall(r"`([^`]+)`", PAGE)))
SETTINGS = {name.partition(".")[2]: name for name in every_setting()}
UNITS = {path.name for path in (ROOT / "deploy/systemd").iterdir()}
EXPIRED, UNKNOWN_ISSUER = 10, 20
"""OpenSSL's numbers (x509_vfy.h)."""
SHIPPED = "\n".join(
    path.read_text() for place in ("lighttpd", "rabbitmq") for path in (ROOT / "deploy" / place).iterdir()
)
FIGURES = (ROOT / "docket/web/handlers/health_handlers.py").read_text()

OF_OTHERS = {
    "rabbitmq-server": "the broker's unit",
    "stenographer@em1": "ROCK's unit, one per interface",
    "Alarms": "rabbitmqctl status",
    "delivery_limit": "a reason in x-first-death-reason",
    "x-first-death-reason: expired": "a header of RabbitMQ's",
    "Host": "a header of HTTP's",
    "stenographer": "a group of Debian's package",
    "stenokeys.sh": "stenographer's script",
    "stenoread": "stenographer's client",
    "/etc/docket": "a directory",
    "/etc/docket/docket.yaml": "the configuration, as the tests of the loader have it",
    "docket": "a user and a vhost of RabbitMQ, as the tests of a booted sensor have them",
    "guest": "RabbitMQ's own user",
    "remove": "a word of apt-get's, as the tests of removal have it",
    "docket-webhooks": "a user that the package makes, as the tests of removal have it",
    "docket-alerts": "a user that the package makes, as the tests of removal have it",
    "purge": "a word of apt-get's, as the tests of removal have it",
    "docket.yaml": "the configuration, by its short name",
    "InaccessiblePaths": "a line of the units of deploy/systemd",
    "/usr/local/lib/docket": "where docket install copies to, as its tests have it",
    "--start": "an option of docket setup, as the tests of a booted sensor have it",
    "jobs/<id>/": "of the spool, as the tests of the spool have it",
    "?follow=1": "as the tests of the downloads have it",
    "/metrics": "as the tests of the figures have it",
    "docket.service": "the web app's unit, by its whole name",
    "lighttpd": "Debian's unit",
    "SupplementaryGroups=stenographer": "a line of the worker's unit, as the tests of systemd have it",
    "/usr/share/docket/deploy": "a directory of the package, as its tests have it",
    "sensor.example 192.0.2.10": "a name and an address to put one's own in place of",
    "https://<sensor>/app/docket/": "the address behind the proxy, as the tests of the proxies have it",
    "/var/lib/docket/signing/private.pem": "the default of spool.signing_key, as the tests of signing have it",
    "GET api/v1/signing-key": "as the tests of signing have it",
    "NAME.moving": "a spare queue, as the tests of the bus have it",
    "/var/spool/docket/aside/": "where the collector moves what it cannot verify, as its tests have it",
    "user_id": "a property of AMQP messages",
    "signal: bad system call": "stenographer's words, on Debian 13",
    '"--seccomp=none"': "an option of stenotype's, as the tests of a booted sensor have it",
    "Flags": "a setting of stenographer's",
    "/etc/stenographer/config.*": "stenographer's configurations",
}
"""Words that are not Docket's, or are held elsewhere."""

PROGRAMS = {"/usr/share/docket/deploy/tls/certificates", "DOCKET_PASSWORD=SECRET", "chmod", "chown", "cp", "echo"} | {
    "lighttpd",
    "ln",
    "sed",
    "systemctl",
}
PROGRAMS |= {"amqp-get", "adduser", "curl", "df", "journalctl", "make", "openssl", "rabbitmqadmin", "rabbitmqctl"} | {
    "runuser",
    "mv",
    "sqlite3",
    "systemctl",
    "timedatectl",
}


def squeezed(lines: list[str]) -> str:
    return re.sub(r" +", " ", "\n".join(lines))


def check_line(name: str) -> str:
    """A check of the server's that failed, as `docket status` shows it."""
    check = Check(name=name, ok=False, message="", advice=ADVICE[name])
    return squeezed(_check_lines(Health(status=Status.DOWN, ready=False, version="", checks=(check,)), ()))


def dead_letter_lines() -> str:
    metrics = f'docket_queue_messages{{queue="{topology.DEAD_QUEUE}"}} 1'
    checks = _of_queue(topology.DEAD_QUEUE, QueueDepth(1, 0))
    return squeezed(_queue_lines(queues(metrics, checks)))


def refusal(error: Exception) -> str:
    refused = from_exception(error, 500)
    return f"{refused.status_code} {refused.faults[0].code}"


class SetClock(Clock):
    """A clock whose time the test lets pass."""

    passed_s = 0.0

    def monotonic_s(self) -> float:
        return self.passed_s


def absences() -> str:
    """The sentences for a source whose worker is away, was silent, or was too slow."""
    broker, clock = MemoryBroker(), SetClock()
    broker.declare(["rock01:em1"])
    presence, at = SourceRegistry(broker, clock, ["rock01:em1"], ()), clock.now()
    status = SourceStatus(name="rock01:em1", kind="stenographer", state="online", last_seen=at)
    presence.on_event(EventMessage(event=EventName.SOURCE_STATS, at=at, source=status))
    presence.look(["rock01:em1"])
    clock.passed_s += 60
    part = Part("rock01:em1")
    gone, silence = presence.gone(part.source, 30), presence.silence(part.source, 30)
    return "\n".join(
        (outcome_texts.gone(part, gone), outcome_texts.gone(part, silence), outcome_texts.timed_out(part, at, "")[0])
    )


def failures(directory: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """What a worker says of a stenographer that it cannot reach, or that it has no good certificates for."""
    authority = Authority(directory / "rock")
    mine, other = authority.issue("client"), authority.issue("other")
    said = []
    session = StenoSession(f"https://127.0.0.1:{free_port()}", mine.cert, mine.key, authority.ca.cert, None)
    with pytest.raises(SourceError) as refused:
        session.get("/debug/stats")
    said += [str(refused.value), str(session._failure(requests.ConnectTimeout()))]
    session.close()
    with pytest.raises(SourceError) as mixed:
        client_context(mine.cert, other.key, authority.ca.cert)
    said.append(str(mixed.value))
    monkeypatch.setattr(Path, "open", lambda *_: (_ for _ in ()).throw(PermissionError(13, "Permission denied")))
    with pytest.raises(SourceError) as unreadable:
        client_context(mine.cert, mine.key, authority.ca.cert)
    said.append(str(unreadable.value))
    with pytest.raises(NameMismatch) as mismatch:
        check_name({"subject": ((("commonName", "192.0.2.1"),),)}, "127.0.0.1")
    said.append(explain_tls_failure(mismatch.value, authority.ca.cert, mine.cert))
    for code in (UNKNOWN_ISSUER, EXPIRED):
        error = ssl.SSLCertVerificationError()
        error.verify_code = code
        said.append(explain_tls_failure(error, authority.ca.cert, mine.cert))
    alert = ssl.SSLError()
    alert.reason = "TLSV1_ALERT_UNKNOWN_CA"
    said.append(explain_tls_failure(alert, authority.ca.cert, mine.cert))
    return "\n".join(said)


@pytest.fixture
def said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """What Docket says when things are as the page tells."""
    with monkeypatch.context() as patched:
        failed = failures(tmp_path, patched)
    pieces = [failed, absences(), *map(check_line, ("spool", "broker")), dead_letter_lines()]
    pieces += map(refusal, (SpoolFull(""), BusLost("")))
    pieces += [fault.message for fault in _clock_faults("2001-01-01T00:00:00Z", Clock().now_us())]
    return "\n".join(pieces)


def is_said(word: str, said: str) -> bool:
    """Whether it was said, with anything for each ellipsis."""
    return re.search(".+?".join(map(re.escape, re.split(r" ?… ?", word))), said) is not None


def is_command(word: str) -> bool:
    return word == "timedatectl" or (" " in word and word.partition(" ")[0] in PROGRAMS)


def is_ours(word: str) -> bool:
    """Whether it is a name of Docket's own: of a state, a setting, a header, an event, a figure, a queue or a file."""
    names = {*State, *Verdict, *(event.value for event in EventName), "online", "offline", dead_letters.REASON_HEADER}
    names |= {*SETTINGS, *SETTINGS.values(), topology.fragment_queue(0).replace("0", "N")}
    names |= {"job.json", Spool(Path()).ledger.name, *UNITS}
    return word in names or (ROOT / word).exists() or word in SHIPPED or f'"{word}"' in FIGURES


def test_every_word_is_one_that_there_is(said: str) -> None:
    """Nothing on the page is made up, or has changed its name since."""
    known = (is_ours, is_command, OF_OTHERS.__contains__, lambda word: word.startswith("docket "))
    odd = [word for word in WORDS if not any(knows(word) for knows in known) and not is_said(word, said)]
    assert odd == []


def test_every_sentence_of_the_tables_is_said(said: str) -> None:
    """What stands in the first column of a table is what people will read on their screen."""
    cells = re.findall(r"^\| `([^`]+)` \|", PAGE, flags=re.MULTILINE)
    assert len(cells) == 11
    assert [cell for cell in cells if not is_said(cell, said)] == []


def commands() -> list[str]:
    found = [*WORDS, *BLOCKS]
    return [word.partition(" > ")[0] for word in found if word.startswith("docket ")]


@pytest.mark.parametrize("command", commands())
def test_every_command_is_understood(command: str) -> None:
    """Docket's own command line takes what the page tells to type."""
    args = make_parser().parse_args(shlex.split(command)[1:])
    assert callable(args.run)


def units() -> list[str]:
    """What `systemctl`, `journalctl -u` and `docket status` name."""
    lines = [*WORDS, *BLOCKS]
    named = [word for line in lines if line.startswith("systemctl ") for word in shlex.split(line)[2:]]
    named += [unit for line in lines for unit in re.findall(r"-u '?([\w@*-]+)", line)]
    return sorted({name for name in named if not name.startswith("-")})


@pytest.mark.parametrize("unit", units())
def test_every_unit_is_shipped(unit: str) -> None:
    """A unit that is to be started or looked at is in the package, or is the broker's or stenographer's."""
    template = re.sub(r"@.*", "@", unit)
    full = template if template.endswith((".socket", ".target")) else f"{template}.service"
    assert full in UNITS or unit in OF_OTHERS


def test_every_program_of_others_is_known() -> None:
    """Nothing is to be typed that no package brings."""
    words = {part.split()[0] for line in BLOCKS for part in line.split("&&")}
    assert words - {"docket", "apt-get"} <= PROGRAMS


def test_numbers_are_those_of_the_code() -> None:
    """Exit codes, and how long and how often a message is tried."""
    assert f"It ends {ExitCode.NOT_WELL.value} if" in PAGE
    assert f"ends with code {ExitCode.BUS.value} and names an exchange" in PAGE
    assert (LONGEST_DEADLINE_S, topology.DELIVERY_LIMIT) == (86_400, 100)
    assert "for a day;" in " ".join(PAGE.split())
    assert "a hundred times" in PAGE
    assert f"warns {SOON.days} days before" in PAGE


def test_every_symptom_is_in_the_list() -> None:
    """The links at the top lead to the sections, and to all of them."""
    linked = re.findall(r"\]\(#([\w-]+)\)", PAGE)
    sections = [title.lower().replace(" ", "-") for title in re.findall(r"^## (.+)$", PAGE, flags=re.MULTILINE)]
    assert sorted(linked) == sorted(sections)
