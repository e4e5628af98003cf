"""Counters of the web process and their text for Prometheus, by prometheus_client. For the event loop only."""

from __future__ import annotations

from bisect import bisect_left
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping

from prometheus_client import CollectorRegistry
from prometheus_client.exposition import CONTENT_TYPE_PLAIN_0_0_4, generate_latest
from prometheus_client.metrics_core import Metric
from prometheus_client.registry import Collector

from docket.runtime.job_figures import JobFigures
from docket.runtime.metrics_server import add_process_figures

CONTENT_TYPE = CONTENT_TYPE_PLAIN_0_0_4

BUCKETS_S = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 10.0, 60.0)
"""Upper edges of the latency histogram; downloads and sockets end in the last ones."""


class Metrics:
    """What the process counts as it goes. States (jobs, sources, spool) are read when the page is asked for."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        """What is counted by the library's own classes: jobs as their events tell, and the process."""
        self.jobs = JobFigures(self.registry)
        add_process_figures(self.registry)
        self._requests: Counter[tuple[str, str, int]] = Counter()
        self._latency: dict[str, list[int]] = {}
        self._seconds: defaultdict[str, float] = defaultdict(float)
        self.events: Counter[str] = Counter()
        """Events heard on the bus, by name."""
        self.sockets_dropped = 0
        """Sockets closed because they were too slow."""
        self.connections_put_out = 0
        """Connections that had to make room for another one, or found none."""
        self.downloads = 0
        """Downloads that run right now."""
        self.downloaded_bytes = 0

    def observe(self, method: str, route: str, status: int, elapsed_s: float) -> None:
        """Count one finished request. `route` is the template of the path, so that labels stay few."""
        self._requests[method, route, status] += 1
        buckets = self._latency.setdefault(route, [0] * (len(BUCKETS_S) + 1))
        buckets[bisect_left(BUCKETS_S, elapsed_s)] += 1
        self._seconds[route] += elapsed_s

    def add_to(self, page: Exposition) -> None:
        page.add(
            "docket_http_requests_total",
            "counter",
            "Requests answered, by method, route and status.",
            (
                ({"method": method, "route": route, "status": str(status)}, count)
                for (method, route, status), count in sorted(self._requests.items())
            ),
        )
        page.add("docket_http_request_seconds", "histogram", "Time from request to answer.", [])
        for route, buckets in sorted(self._latency.items()):
            page.histogram("docket_http_request_seconds", {"route": route}, buckets, self._seconds[route])
        events = (({"event": name}, count) for name, count in sorted(self.events.items()))
        page.add("docket_events_total", "counter", "Events heard on the bus, by name.", events)
        dropped = self.sockets_dropped
        page.value("docket_sockets_dropped_total", "counter", "Sockets closed for being too slow.", dropped)
        out = self.connections_put_out
        page.value("docket_connections_put_out_total", "counter", "Connections closed for there being too many.", out)
        page.value("docket_downloads", "gauge", "Downloads that run right now.", self.downloads)
        sent = self.downloaded_bytes
        page.value("docket_downloaded_bytes_total", "counter", "Bytes of results sent to clients.", sent)


class Exposition(Collector):
    """The figures of one answer, family by family."""

    def __init__(self) -> None:
        self._families: dict[str, Metric] = {}

    def add(self, name: str, kind: str, about: str, samples: Iterable[tuple[Mapping[str, str], float]]) -> None:
        family = self._families[name] = Metric(name.removesuffix("_total"), about, kind)
        for labels, value in samples:
            family.add_sample(name, dict(labels), float(value))

    def value(self, name: str, kind: str, about: str, value: float) -> None:
        """A family of one sample without labels."""
        self.add(name, kind, about, [({}, value)])

    def histogram(self, name: str, labels: Mapping[str, str], buckets: Iterable[int], total: float) -> None:
        """One series of a histogram family that was added already."""
        family, count = self._families[name], 0
        for edge, in_bucket in zip((*map(str, BUCKETS_S), "+Inf"), buckets, strict=True):
            count += in_bucket
            family.add_sample(f"{name}_bucket", {**labels, "le": edge}, count)
        family.add_sample(f"{name}_sum", dict(labels), total)
        family.add_sample(f"{name}_count", dict(labels), count)

    def collect(self) -> Iterator[Metric]:
        yield from self._families.values()

    def text(self, also: CollectorRegistry | None = None) -> str:
        """All of it, and what another registry has."""
        own = CollectorRegistry()
        own.register(self)
        return (generate_latest(own) + (generate_latest(also) if also is not None else b"")).decode()
