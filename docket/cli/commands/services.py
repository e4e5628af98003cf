"""`docket run` and the services `web`, `worker`, `collector`, `inspector`, `indexer`, `record`, one per process."""

from __future__ import annotations

import argparse
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

from docket.cli.broker_login import refuse_guest
from docket.cli.overrides import listening_on, only_sources
from docket.cli.ui.arguments import bus_url, listen, tcp_address
from docket.cli.ui.command_parser import add_command, example
from docket.cli.ui.terminal import Terminal
from docket.config.loader import find_config, load_config
from docket.config.model import CaptureFilesConfig, Config
from docket.errors import ConfigError, Fault

METRICS_VARIABLE = "DOCKET_METRICS"

RUN_EXAMPLES = """\
examples:
  docket run --demo                                  two sample interfaces with traffic of the last hour
  docket run --config ./docket.yaml                  your own sources, on a bus inside the process
  docket run --bus amqp://guest:guest@127.0.0.1/     the same with RabbitMQ

Ctrl-C ends it in an orderly way, a second one at once.
"""


def add(commands: Any) -> None:
    _add_run(commands)
    parser = _parser(commands, "web", web, "serve the page and the API", "docket web --listen 127.0.0.1:8080")
    _add_listen(parser)
    parser = _parser(
        commands, "worker", worker, "read packets from sources of this machine", "docket worker rock01:em1"
    )
    _add_metrics(parser)
    parser.add_argument(
        "sources",
        metavar="SOURCE",
        nargs="*",
        help="a source of the configuration, by its name or its interface (default: all of them)",
    )
    _add_metrics(_parser(commands, "collector", collector, "collect, merge and keep the answers", "docket collector"))
    _add_metrics(_parser(commands, "inspector", inspector, "look into finished results", "docket inspector"))
    _add_metrics(_parser(commands, "indexer", indexer, "index the files of capture directories", "docket indexer"))
    parser = _parser(
        commands, "record", record, "record an interface into a bounded ring of files", "docket record em1"
    )
    _add_metrics(parser)
    parser.add_argument("source", metavar="SOURCE", help="a source with a `ring`, by its name or its interface")
    _add_alerts(commands)
    _add_webhooks(commands)


def _add_alerts(commands: Any) -> None:
    parser = _parser(commands, "alerts", alerts, "ask for the packets around alerts of Suricata", "docket alerts")
    _add_metrics(parser)
    parser.add_argument(
        "--rules",
        metavar="FILE",
        type=Path,
        default=Path("/etc/docket/alerts.yaml"),
        help="where alerts come from, and the rules (default: /etc/docket/alerts.yaml)",
    )


def _add_webhooks(commands: Any) -> None:
    parser = _parser(commands, "webhooks", webhooks, "send events to programs without AMQP", "docket webhooks --dead")
    _add_metrics(parser)
    parser.add_argument(
        "--hooks",
        metavar="FILE",
        type=Path,
        default=Path("/etc/docket/webhooks.yaml"),
        help="who is sent which events (default: /etc/docket/webhooks.yaml)",
    )
    action = parser.add_mutually_exclusive_group()
    action.add_argument("--check", action="store_true", help="only say what is wrong with the file")
    action.add_argument("--dead", action="store_true", help="only list what could not be delivered, and why")
    action.add_argument("--again", action="store_true", help="only have those tried again")


def _add_run(commands: Any) -> None:
    parser = add_command(commands, "run", run, help="run everything in one process", epilog=RUN_EXAMPLES)
    parser.add_argument("--demo", action="store_true", help="bring two sample interfaces; needs no configuration")
    parser.add_argument(
        "--bus",
        metavar="URL",
        type=bus_url,
        help="amqp://… or memory:// (default: the configuration's, else memory://)",
    )
    parser.add_argument("--spool", metavar="DIR", help="where results are kept (with --demo: a directory of its own)")
    _add_listen(parser)
    _add_metrics(parser)


def _add_listen(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--listen",
        metavar="ADDR",
        action="append",
        type=listen,
        help="host:port, [v6]:port or unix:/path; may be repeated",
    )


def _add_metrics(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--metrics",
        metavar="ADDR",
        type=tcp_address,
        help=f"serve this process's figures for Prometheus at host:port (default: {METRICS_VARIABLE}, else nowhere)",
    )


def _parser(commands: Any, name: str, work: Any, help_text: str, line: str) -> argparse.ArgumentParser:
    return add_command(commands, name, work, help=help_text, epilog=example(line))


# The services and their libraries take longer to load than most other commands to run, hence the imports inside.


def run(args: argparse.Namespace, terminal: Terminal) -> int:
    from docket.cli.one_process import run_all

    with _figures(args, terminal):
        return run_all(args, terminal)


def web(args: argparse.Namespace, terminal: Terminal) -> int:
    from docket.cli.service_factory import run_web

    return run_web(listening_on(_service_config(args, terminal), args.listen), terminal)


def worker(args: argparse.Namespace, terminal: Terminal) -> int:
    from docket.cli.service_factory import run_worker

    with _figures(args, terminal):
        return run_worker(only_sources(_service_config(args, terminal), args.sources), terminal)


def collector(args: argparse.Namespace, terminal: Terminal) -> int:
    from docket.cli.service_factory import run_collector

    with _figures(args, terminal):
        return run_collector(_service_config(args, terminal), terminal)


def inspector(args: argparse.Namespace, terminal: Terminal) -> int:
    from docket.cli.service_factory import run_inspector

    with _figures(args, terminal):
        return run_inspector(_service_config(args, terminal), terminal)


def indexer(args: argparse.Namespace, terminal: Terminal) -> int:
    from docket.cli.service_factory import run_indexer

    with _figures(args, terminal):
        return run_indexer(load_config(args.config, terminal.environ, allow_memory=False), terminal)


def record(args: argparse.Namespace, terminal: Terminal) -> int:
    from docket.cli.service_factory import run_recorder

    config = only_sources(load_config(args.config, terminal.environ, allow_memory=False), [args.source])
    source = config.sources[0]
    if not isinstance(source, CaptureFilesConfig) or source.ring_bytes is None:
        message = f"{source.name} has no `ring`: docket setup --record {args.source} --ring SIZE"
        raise ConfigError([Fault("no-ring", message)])
    with _figures(args, terminal):
        return run_recorder(config, source, terminal)


def alerts(args: argparse.Namespace, terminal: Terminal) -> int:
    from docket.cli.service_factory import run_alerts
    from docket.workers.alerts.alert_rules import read_rules

    rules = read_rules(args.rules)
    with _figures(args, terminal):
        return run_alerts(_service_config(args, terminal), rules, terminal)


def webhooks(args: argparse.Namespace, terminal: Terminal) -> int:
    from docket.workers.webhooks.hooks import read_hooks

    config = load_config(args.config, terminal.environ, allow_memory=False)
    hooks = read_hooks(args.hooks, own_jobs_only=config.web.own_jobs_only)
    if args.check or args.dead or args.again:
        from docket.cli.commands.webhook_deliveries import look

        return look(hooks, args, terminal)

    from docket.cli.service_factory import run_webhooks

    with _figures(args, terminal):
        return run_webhooks(_service_config(args, terminal), hooks, terminal)


def _figures(args: argparse.Namespace, terminal: Terminal) -> AbstractContextManager[None]:
    """Raises ConfigError where the address cannot be used."""
    from docket.runtime.metrics_server import metrics_served

    named = terminal.environ.get(METRICS_VARIABLE)
    try:
        return metrics_served(args.metrics or (tcp_address(named) if named else None))
    except argparse.ArgumentTypeError as error:
        raise ConfigError([Fault("cannot-listen", f"{METRICS_VARIABLE}: {error}", "metrics")]) from error


def _service_config(args: argparse.Namespace, terminal: Terminal) -> Config:
    config = load_config(args.config, terminal.environ, allow_memory=False)
    refuse_guest(config, find_config(args.config, terminal.environ))
    return config
