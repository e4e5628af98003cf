"""`docket setup`: find this machine's stenographers and capture directories and write them into the configuration."""

from __future__ import annotations

import argparse
import socket
import subprocess
from pathlib import Path
from typing import Any

import yaml

from docket.cli.setup.broker_user import USER, remove_guest, wants_own_user
from docket.cli.setup.broker_user import make as make_user
from docket.cli.setup.installation import EXAMPLE
from docket.cli.setup.recorders import find_directories
from docket.cli.setup.recording import DEFAULT_RING, make_directory, recorded, with_recorded
from docket.cli.setup.stenographers import Findings, find, sensor_name, sources_text, with_section
from docket.cli.ui import text
from docket.cli.ui.command_parser import add_command
from docket.cli.ui.terminal import Terminal
from docket.config.loader import check_text, find_config
from docket.config.model import CaptureFilesConfig, Config, SourceConfig
from docket.errors import BusError, ConfigError, Fault
from docket.runtime.exit_codes import ExitCode
from docket.runtime.service_units import failed_units, stale_workers
from docket.runtime.whole_file import replace_file

_STENOGRAPHER = Path("/etc/stenographer")
_SECURITY_ONION_2 = Path("opt/so/conf/steno")
EXAMPLES = """\
examples:
  docket setup --dry-run                             show the file that would be written
  docket setup                                       what is found on this machine, into /etc/docket/docket.yaml
  docket setup --start                               the same, and start all services
  docket setup --record em1 --ring 2TB --start       record em1 as well, into at most 2 TB below /data/pcap/em1
  docket setup --sensor rock01 --bus amqps://broker.example/docket
  docket setup --broker-user                         only a user of Docket's own on this machine's RabbitMQ, as `bus`

A `bus` that is RabbitMQ's own user guest on this machine, whose password everybody knows, is replaced by a user of
Docket's own with a random password; with --start, guest is removed then.
Only the sections that are set change; everything else in the file stays, comments as well.
"""


def add(commands: Any) -> None:
    parser = add_command(
        commands,
        "setup",
        run,
        help="find this machine's stenographers and capture directories and write the configuration",
        description="Find this machine's stenographers, and the directories in which Security Onion, Suricata, Arkime, "
        "Malcolm, netsniff-ng, n2disk, tcpdump or dumpcap keep their captures, and write them as sources into the "
        "configuration.",
        epilog=EXAMPLES,
    )
    parser.add_argument(
        "--stenographer",
        metavar="DIR",
        type=Path,
        help=f"where its configurations are (default: {_STENOGRAPHER}, or Security Onion's, /{_SECURITY_ONION_2})",
    )
    parser.add_argument(
        "--root",
        metavar="DIR",
        type=Path,
        default=Path("/"),
        help="where the machine's file system begins: recorders are looked for below it (default: /)",
    )
    parser.add_argument("--sensor", metavar="NAME", help="the first half of the sources' names (default: the host's)")
    parser.add_argument("--bus", metavar="URL", help="set the broker, too")
    parser.add_argument(
        "--record",
        metavar="INTERFACE",
        action="append",
        default=[],
        help="have Docket record this interface with dumpcap, and make it a source; may be repeated",
    )
    parser.add_argument(
        "--ring",
        metavar="SIZE",
        default=DEFAULT_RING,
        help=f"how much an interface of --record may take on disk (default: {DEFAULT_RING})",
    )
    parser.add_argument(
        "--start", action="store_true", help="start the services, and have them start at each boot (systemctl)"
    )
    parser.add_argument(
        "--broker-user",
        action="store_true",
        help="only replace guest by a user of Docket's own on this machine's RabbitMQ, and write its address as `bus`",
    )
    parser.add_argument("--dry-run", action="store_true", help="print the file, write nothing")


def run(args: argparse.Namespace, terminal: Terminal) -> int:
    return _only_broker_user(args, terminal) if args.broker_user else _whole(args, terminal)


def _only_broker_user(args: argparse.Namespace, terminal: Terminal) -> int:
    path = find_config(args.config, terminal.environ)
    old = _read(path)
    new = _with_own_user(old, check_text(old, path), terminal)
    if new == old:
        return ExitCode.OK
    _write(path, new)
    terminal.tell(text.safe(f"{path} is written."))
    _remove_guest(check_text(new, path), terminal)
    terminal.tell("Services that run take it up with: systemctl restart docket.target")
    return ExitCode.OK


def _with_own_user(content: str, config: Config, terminal: Terminal) -> str:
    """The file's text with a user of Docket's own for the broker, if guest is in it and another can be made here."""
    if not wants_own_user(config.bus, config.bus_tls):
        return content
    try:
        url = make_user(config.bus)
    except BusError as error:
        terminal.tell(text.safe(f"Docket uses RabbitMQ's user guest, whose password everybody knows: {error}."))
        terminal.tell("  Once RabbitMQ runs, as root: docket setup --broker-user")
        return content
    terminal.say(f"RabbitMQ has a user of Docket's own, {USER}, with a random password.")
    bus: str | dict[str, str] = {"url": url, **config.bus_tls} if config.bus_tls else url
    return with_section(content, "bus", yaml.safe_dump({"bus": bus}, sort_keys=False, width=200))


def _remove_guest(config: Config, terminal: Terminal) -> None:
    try:
        if remove_guest(config.bus, config.bus_tls):
            terminal.say("RabbitMQ's user guest, whose password everybody knows, is removed.")
    except BusError as error:
        terminal.tell(text.safe(f"RabbitMQ's user guest can still log in: {error}."))


def _whole(args: argparse.Namespace, terminal: Terminal) -> int:
    findings = _stenographers(args)
    found = findings.found
    if findings.faults:
        raise ConfigError([Fault("bad-stenographer", fault) for fault in findings.faults])
    recorders = find_directories(args.root)
    if not found and not recorders.found and not args.record:
        where = args.stenographer or _STENOGRAPHER
        message = f"there is no stenographer in {where}, and no recorder's directory below {args.root}"
        raise ConfigError([Fault("no-source", message)])
    sensor = args.sensor or sensor_name(socket.gethostname())
    entries = [one.source(sensor) for one in found]
    entries += recorders.sources(sensor, [entry["name"] for entry in entries])
    path = find_config(args.config, terminal.environ)
    old = _read(path)
    found_entries = entries
    entries = with_recorded(entries, [recorded(sensor, interface, args.ring) for interface in args.record], old)
    new = with_section(old, "sources", sources_text(entries))
    if args.bus:
        new = with_section(new, "bus", yaml.safe_dump({"bus": args.bus}))
    config = check_text(new, path)
    terminal.tell(text.safe(sentence) for sentence in [*findings.left_out, *recorders.left_out])
    if args.dry_run:
        terminal.out.write(new)
        return ExitCode.OK
    if args.root == Path("/") and not args.bus:
        new = _with_own_user(new, config, terminal)
    _write(path, new)
    origins = [f"{one.host}:{one.port}  from {one.config}" for one in found]
    origins += [f"{one.path}  of {one.recorder}" for one in recorders.found]
    described = dict(zip([entry["name"] for entry in found_entries], origins, strict=True))
    for source in config.sources:
        terminal.say(text.safe(f"{source.name:<24} {described.get(source.name) or _recorded_into(source)}"))
    for interface in args.record:
        make_directory(args.root, interface)
    terminal.tell(text.safe(sentence) for sentence in recorders.not_readable(args.root))
    terminal.tell(text.safe(f"{path} is written."))
    workers = [f"docket-worker@{source.name.partition(':')[2]}" for source in config.sources]
    code = _start([*workers, *_recorders(config)], terminal, now=args.start)
    if args.start and code == ExitCode.OK:
        _remove_guest(check_text(new, path), terminal)
    return code


def _stenographers(args: argparse.Namespace) -> Findings:
    """Those of the directory that is given; else of the usual one, or of Security Onion 2, whose run in containers."""
    if args.stenographer is not None:
        return find(args.stenographer)
    usual = find(_STENOGRAPHER)
    if usual.found or usual.faults:
        return usual
    return find(args.root / _SECURITY_ONION_2, Path("/") / _SECURITY_ONION_2 / "certs")


def _recorded_into(source: SourceConfig) -> str:
    return f"{source.path}  recorded by Docket" if isinstance(source, CaptureFilesConfig) else ""


def _recorders(config: Config) -> list[str]:
    """The services that record, of the sources with a ring."""
    return [
        f"docket-record@{source.name.partition(':')[2]}"
        for source in config.sources
        if isinstance(source, CaptureFilesConfig) and source.ring_bytes is not None
    ]


def _start(workers: list[str], terminal: Terminal, *, now: bool) -> int:
    """Have systemd start the services, now and at each boot; or say how."""
    command = ["systemctl", "enable", "--now", "docket.socket", "docket.target", *workers]
    if not now:
        terminal.tell(text.safe(f"  start the services: {' '.join(command)}"))
        return ExitCode.OK
    # A worker whose source is gone would fail, and docket.target with it.
    for stale in stale_workers(workers):
        _run(["systemctl", "disable", "--now", stale], terminal)
        if stale in failed_units():
            _run(["systemctl", "reset-failed", stale], terminal)
    # Restarts by hand count too: after ten within five minutes systemd would refuse these.
    _run(["systemctl", "reset-failed", "docket*"], terminal)
    # Services that run already take up what has changed.
    again = ["systemctl", "try-restart", "docket-collector", "docket-inspector", "docket-indexer", "docket", *workers]
    for one in (again, command):
        code = _run(one, terminal)
        if code != ExitCode.OK:
            terminal.tell("Not all services have started: docket status; journalctl -u 'docket*' -p err")
            return ExitCode.NOT_WELL
    terminal.tell("The services have started, and start at each boot: docket status")
    return ExitCode.OK


def _run(command: list[str], terminal: Terminal) -> int:
    terminal.say(text.safe(f"run     {' '.join(command)}"))
    try:
        done = subprocess.run(command, capture_output=True, text=True, check=False)
    except FileNotFoundError as error:
        raise ConfigError([Fault("no-systemd", f"{command[0]} is not on this machine")]) from error
    if done.returncode:
        terminal.tell([f"  {text.safe(line)}" for line in done.stderr.splitlines()[-5:]])
    return done.returncode


def _read(path: Path) -> str:
    try:
        return path.read_text()
    except FileNotFoundError:
        return EXAMPLE
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError([Fault("no-config", f"{path} cannot be read: {error}")]) from error


def _write(path: Path, content: str) -> None:
    """Replace the file in one piece; it keeps its owner and mode, for it may hold a password."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        replace_file(path, [content.encode()], keep_owner=True)
    except OSError as error:
        raise ConfigError([Fault("cannot-write", f"{path} cannot be written: {error.strerror}")]) from error
