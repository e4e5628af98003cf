"""`docket status`: services, broker, queues, sources, spool and certificates on one screen.

The exit code says whether all is well, and every line that is not says what to do.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator, Sequence
from typing import Any

from docket.cli.broker_login import BrokerLogin, broker_logins
from docket.cli.checks import CertificateState, QueueState, certificates, check_of, queues
from docket.cli.neighbour_checks import neighbours
from docket.cli.ui import text
from docket.cli.ui.command_parser import add_command, example
from docket.cli.ui.terminal import Terminal, add_server_option, client_for, servers_of, usual_socket
from docket.client.http_client import Client
from docket.config.loader import find_config, load_config
from docket.config.model import Config
from docket.domain.api import Check, Health
from docket.domain.source import SourceStatus
from docket.errors import ConfigError, ServerRefused, ServerUnreachable
from docket.runtime.exit_codes import ExitCode
from docket.runtime.service_units import advice as unit_advice
from docket.runtime.service_units import failed_units

_GREEN, _RED, _PLAIN = "\x1b[32m", "\x1b[31m", "\x1b[0m"


def add(commands: Any) -> None:
    parser = add_command(
        commands,
        "status",
        run,
        help="say whether all is well",
        description=f"Show services, broker, queues, sources, spool and certificates, and what to do about what is not "
        f"well. Ends {ExitCode.NOT_WELL.value} if something is not.",
        epilog=example("docket status --json"),
    )
    parser.add_argument("--json", action="store_true", help="print JSON")
    add_server_option(parser)


def run(args: argparse.Namespace, terminal: Terminal) -> int:
    client = client_for(args, terminal)
    units = failed_units() if client.is_local else []
    try:
        health = client.health()
    except ServerUnreachable:
        terminal.tell(_unit_lines(units))
        raise
    sources = _sources(client)
    states = _queues(client, health)
    config = _config(args, terminal, client)
    ends = certificates(config) if config else []
    path = find_config(args.config, terminal.environ)
    logins = broker_logins(config, path) if config and client.is_local else []
    beside = neighbours(path.parent) if client.is_local and (config or client.url == usual_socket()) else []
    well = health.status == "ok" and not units and not logins and all(one.ok for one in beside)
    well = well and all(one.ok for one in states) and all(one.ok for one in ends)
    if args.json:
        terminal.say_json(
            {
                "well": well,
                "server": client.url,
                "health": health,
                "sources": sources,
                "failed_units": units,
                "queues": states,
                "certificates": ends,
                "broker_logins": logins,
                "neighbours": beside,
            }
        )
    else:
        terminal.say([f"{text.safe(client.url)}  Docket {text.safe(health.version)}"])
        known = {check.name for check in health.checks}
        unseen = [unit for unit in units if f"unit {unit}" not in known]
        for lines in (
            _unit_lines(unseen),
            _check_lines(health, states, beside),
            _source_lines(sources, health),
            _queue_lines(states),
            _login_lines(logins),
            _certificate_lines(ends),
        ):
            if lines:
                terminal.say(["", *_coloured(lines, terminal)])
        terminal.tell("\nOK" if well else "\nNot OK")
    return ExitCode.OK if well else ExitCode.NOT_WELL


def _sources(client: Client) -> tuple[SourceStatus, ...]:
    try:
        return client.sources()
    except ServerRefused:
        # Without the ledger there is no list; the health has said why.
        return ()


def _queues(client: Client, health: Health) -> list[QueueState]:
    try:
        return queues(client.metrics(), health.checks)
    except (ServerRefused, ServerUnreachable):
        # Where figures fail or hang, the health has said why.
        return []


def _config(args: argparse.Namespace, terminal: Terminal, client: Client) -> Config | None:
    """The server's own. None where there is none on this machine, it is not for this user to read, or it is that of
    another server: what it says is then not about the one that was asked."""
    try:
        config = load_config(args.config, terminal.environ)
    except ConfigError:
        if args.config is not None:
            raise
        return None
    return config if args.config is not None or client.url in servers_of(config) else None


def _unit_lines(units: Sequence[str]) -> list[str]:
    return (
        _table(("UNIT", "STATE", "WHAT TO DO"), [(one, _word(False), unit_advice(one)) for one in units])
        if units
        else []
    )


def _check_lines(health: Health, states: Sequence[QueueState], beside: Sequence[Check] = ()) -> list[str]:
    """The server's checks and those of the services beside it. Sources and queues have tables of their own."""
    elsewhere = {check_of(state.name) for state in states}
    checks = [check for check in health.checks if not check.name.startswith("source ") and check.name not in elsewhere]
    rows = [(one.name, _word(one.ok), one.message, "" if one.ok else one.advice) for one in (*checks, *beside)]
    return _table(("SERVICE", "STATE", "", "WHAT TO DO"), rows)


def _source_lines(sources: Sequence[SourceStatus], health: Health) -> list[str]:
    if not sources:
        return ["No source is known; is a `docket worker` running?"]
    advice = {check.name: check.advice for check in health.checks}
    rows = []
    for one in sources:
        well = one.state == "online" and not one.error
        held = (text.instant(one.oldest), text.instant(one.readable_until))
        what = "" if well else "; ".join(filter(None, (one.error, advice.get(f"source {one.name}"))))
        rows.append((one.name, _word(well, one.state), one.kind, *held, what))
    return _table(("SOURCE", "STATE", "KIND", "OLDEST PACKET", "READABLE UNTIL", "WHAT TO DO"), rows)


def _queue_lines(states: Sequence[QueueState]) -> list[str]:
    rows = [(one.name, _word(one.ok), str(one.messages), str(one.consumers), one.advice) for one in states]
    return _table(("QUEUE", "STATE", "MESSAGES", "CONSUMERS", "WHAT TO DO"), rows) if rows else []


def _login_lines(logins: Sequence[BrokerLogin]) -> list[str]:
    rows = [(one.name, _word(one.ok), one.advice) for one in logins]
    return _table(("USER OF THE BROKER", "STATE", "WHAT TO DO"), rows) if rows else []


def _certificate_lines(ends: Sequence[CertificateState]) -> list[str]:
    rows = [(one.path, _word(one.ok), text.instant(one.ends), one.advice) for one in ends]
    return _table(("CERTIFICATE", "STATE", "ENDS", "WHAT TO DO"), rows) if rows else []


def _word(ok: bool, state: str = "ok") -> str:
    return state if ok else "NOT OK"


def _table(header: Sequence[str], rows: Sequence[Sequence[str]]) -> list[str]:
    """A table whose last column is left out while there is nothing to do."""
    if not any(row[-1] for row in rows):
        header, rows = header[:-1], [row[:-1] for row in rows]
    return text.table(header, rows)


def _coloured(lines: Sequence[str], terminal: Terminal) -> Iterator[str]:
    """Colours on a terminal alone: the words say the same without."""
    for line in lines:
        if not terminal.out_has_colour:
            yield line
        elif "  NOT OK" in line:
            yield line.replace("  NOT OK", f"  {_RED}NOT OK{_PLAIN}", 1)
        else:
            yield line.replace("  ok", f"  {_GREEN}ok{_PLAIN}", 1).replace("  online", f"  {_GREEN}online{_PLAIN}", 1)
