"""The web app: its table of routes, and the server that runs it in Tornado's loop until it is asked to stop."""

from __future__ import annotations

import asyncio
import logging
import re
import socket
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from pathlib import Path

import msgspec
from tornado.routing import URLSpec
from tornado.web import Application

from docket.bus.async_interface import AsyncBusClient
from docket.config.model import Config
from docket.spool.layout import Spool
from docket.spool.ledger_reader import LedgerReader
from docket.web.compat.docket1_handlers import LEGACY
from docket.web.compat.stenoread import STENOREAD
from docket.web.context import AppContext
from docket.web.handlers import (
    base,
    check_handlers,
    dissection_handlers,
    download_handlers,
    event_handlers,
    health_handlers,
    job_handlers,
    manifest_handlers,
    openapi_handlers,
    packet_handlers,
    page_handlers,
    page_settings_handlers,
    pcapng_handlers,
    quota_handlers,
    refine_handlers,
    source_handlers,
    timeline_handlers,
)
from docket.web.http import listen, openapi
from docket.web.http.connections import BoundedServer, make_room
from docket.web.http.route_spec import Route
from docket.web.live.event_feed import MOST_SOCKETS
from docket.web.live.send_queue import AWAY_CODE

logger = logging.getLogger(__name__)

ROUTES = (
    Route("api/v1/jobs", job_handlers.JobsHandler),
    Route("api/v1/jobs/{id}", job_handlers.JobHandler),
    Route("api/v1/jobs/{id}/cancel", job_handlers.CancelHandler),
    Route("api/v1/jobs/{id}/retry", job_handlers.RetryHandler),
    Route("api/v1/jobs/{id}/annotation", job_handlers.AnnotationHandler),
    Route("api/v1/jobs/{id}/pcap", download_handlers.PcapHandler),
    Route("api/v1/jobs/{id}/manifest", manifest_handlers.ManifestHandler),
    Route("api/v1/jobs/{id}/signature", manifest_handlers.SignatureHandler),
    Route("api/v1/jobs/{id}/pcapng", pcapng_handlers.PcapngHandler),
    Route("api/v1/jobs/{id}/packet-sources", pcapng_handlers.PacketSourcesHandler),
    Route("api/v1/jobs/{id}/summary", packet_handlers.SummaryHandler),
    Route("api/v1/jobs/{id}/packets", packet_handlers.PacketsHandler),
    Route("api/v1/jobs/{id}/packets/{number}", packet_handlers.PacketHandler),
    Route("api/v1/jobs/{id}/streams/{number}", packet_handlers.StreamHandler),
    Route("api/v1/jobs/{id}/conversations", packet_handlers.ConversationsHandler),
    Route("api/v1/jobs/{id}/dissection", dissection_handlers.DissectionHandler),
    Route("api/v1/jobs/{id}/transactions", dissection_handlers.TransactionsHandler),
    Route("api/v1/jobs/{id}/objects", packet_handlers.ObjectsHandler),
    Route("api/v1/jobs/{id}/objects/{number}", packet_handlers.ObjectHandler),
    Route("api/v1/jobs/{id}/refine", refine_handlers.RefineHandler),
    Route("api/v1/query/check", check_handlers.CheckHandler),
    Route("api/v1/timeline", timeline_handlers.TimelineHandler),
    Route("api/v1/sources", source_handlers.SourcesHandler),
    Route("api/v1/sources/{name}", source_handlers.SourceHandler),
    Route("api/v1/quota", quota_handlers.QuotaHandler),
    Route("api/v1/page", page_settings_handlers.PageSettingsHandler),
    Route("api/v1/health", health_handlers.HealthHandler),
    Route("api/v1/events", event_handlers.EventsHandler),
    Route("api/v1/signing-key", manifest_handlers.SigningKeyHandler),
    Route("api/v1/openapi.json", openapi_handlers.OpenApiHandler),
    Route("metrics", health_handlers.MetricsHandler),
)
"""The API, in the order of the documentation. A new room adds its routes here."""

PAGES = (
    Route("", page_handlers.PageHandler),
    Route("jobs/{id}", page_handlers.PageHandler),
    Route("sources", page_handlers.PageHandler),
    Route("static/{name:path}", page_handlers.StaticHandler),
)
"""The page: `index.html` at each of its own addresses, and its files."""

STATIC_FOLDER = Path(__file__).with_name("static")

PING_S = 20
"""Proxies drop WebSockets that say nothing for a minute, and browsers do not notice a dead peer by themselves."""
LARGEST_MESSAGE_BYTES = 4 * 1024
"""From clients, who have nothing to say on the WebSocket."""

IDLE_S = 75
BODY_S = 60
"""Connections that send nothing, or a body drop by drop, are closed after this."""

DRAIN_S = 10.0
"""How long running downloads may go on when the process is asked to stop."""
CLOSE_S = 1.0
"""How long their handlers may take to notice that their connections are closed."""
LOOK_S = 0.05


def make_app(services: AppContext) -> Application:
    """All routes, below the base path and without it: some proxies strip the prefix, others do not."""
    base_path = services.urls.base
    description = openapi.describe(ROUTES, base_path)
    return Application(
        list(_url_specs(base_path)),
        default_handler_class=base.NotFound,
        default_handler_args={"route": "unknown"},
        log_function=base.log_request,
        services=services,
        static_files=page_handlers.StaticFiles(STATIC_FOLDER, base_path),
        openapi=msgspec.json.encode(description),
        websocket_ping_interval=PING_S,
        websocket_max_message_size=LARGEST_MESSAGE_BYTES,
    )


async def serve(
    config: Config,
    link: AsyncBusClient,
    stop: asyncio.Event,
    on_ready: Callable[[list[str]], object],
    *,
    sockets: Sequence[socket.socket] = (),
) -> None:
    """Serve until `stop` is set; `on_ready` gets the addresses once connections are taken.

    `sockets` are listening ones that another program opened (systemd); without them those of the configuration are
    opened. Starts and stops the link. Raises ConfigError when it cannot listen.

    The order of stopping: take no new connections, end the WebSockets (their clients resume elsewhere or later),
    let downloads run on for a moment, close what is left.
    """
    spool = Spool(config.spool.path)
    services = AppContext.build(config, link, LedgerReader(spool.ledger), spool)
    most = make_room()
    services.event_feed.most_sockets = min(MOST_SOCKETS, max(most // 2, 1))
    own = [] if sockets else listen.open_sockets(config.web.listen)
    listening = [*own, *sockets]
    server = BoundedServer(
        make_app(services),
        most=most,
        others=partial(len, services.event_feed.send_queues),
        metrics=services.metrics,
        max_body_size=base.LARGEST_DRAINED_BYTES,
        body_timeout=BODY_S,
        idle_connection_timeout=IDLE_S,
    )
    try:
        await services.event_feed.start()
        await link.start()
        server.add_sockets(listening)
        on_ready([listen.describe(one) for one in listening])
        await stop.wait()
    finally:
        for one in own:
            listen.remove_unix_socket(one)
        server.stop()
        for one in listening:
            one.close()
        await _drain(services, DRAIN_S)
        await server.close_all_connections()
        await _drain(services, CLOSE_S)
        await services.audit.stop()
        await services.event_feed.stop()
        await link.stop()
        await services.close()


async def _drain(services: AppContext, patience_s: float) -> None:
    """End the WebSockets, and wait for them and for the downloads."""
    deadline_s = asyncio.get_running_loop().time() + patience_s
    while services.metrics.downloads or services.event_feed.send_queues:
        for send_queue in tuple(services.event_feed.send_queues):
            send_queue.end(AWAY_CODE)
        if asyncio.get_running_loop().time() > deadline_s:
            logger.warning("%d downloads are broken off", services.metrics.downloads)
            return
        await asyncio.sleep(LOOK_S)


def _url_specs(base_path: str) -> Iterator[URLSpec]:
    prefixes = dict.fromkeys((base_path, "/"))
    if base_path != "/":
        yield URLSpec(re.escape(base_path.rstrip("/")), page_handlers.SlashHandler, {"route": "redirect"})
    for route in (*ROUTES, *PAGES, *LEGACY, *STENOREAD):
        pattern = re.sub(r"\\\{\w+:path\\\}", "(.+)", re.escape(route.path))
        pattern = re.sub(r"\\\{\w+\\\}", "([^/]+)", pattern) + ("/?" if route.loose else "")
        for prefix in prefixes:
            yield URLSpec(re.escape(prefix) + pattern, route.handler, {"route": route.path or "page"})
