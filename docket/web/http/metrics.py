"""Counters of the web process and their text for Prometheus (exposition format 0.0.4). For the event loop only."""

from __future__ import annotations

from bisect import bisect_left
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"

BUCKETS_S = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 10.0, 60.0)
"""Upper edges of the latency histogram; downloads and sockets end in the last ones."""


class Metrics:
    """What the process counts as it goes. States (jobs, sources, spool) are read when the page is asked for."""

    def __init__(self) -> None:
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


class Exposition:
    """The text of one answer, family by family."""

    def __init__(self) -> None:
        self._lines: list[str] = []

    def add(self, name: str, kind: str, about: str, samples: Iterable[tuple[Mapping[str, str], float]]) -> None:
        self._lines += (f"# HELP {name} {about}", f"# TYPE {name} {kind}")
        for labels, value in samples:
            self._sample(name, labels, value)

    def value(self, name: str, kind: str, about: str, value: float) -> None:
        """A family of one sample without labels."""
        self.add(name, kind, about, [({}, value)])

    def histogram(self, name: str, labels: Mapping[str, str], buckets: Iterable[int], total: float) -> None:
        """One series of a histogram family whose heading is there already."""
        count = 0
        for edge, in_bucket in zip((*map(str, BUCKETS_S), "+Inf"), buckets, strict=True):
            count += in_bucket
            self._sample(f"{name}_bucket", {**labels, "le": edge}, count)
        self._sample(f"{name}_sum", labels, total)
        self._sample(f"{name}_count", labels, count)

    def text(self) -> str:
        return "\n".join(self._lines) + "\n"

    def _sample(self, name: str, labels: Mapping[str, str], value: float) -> None:
        inner = ",".join(f'{key}="{_escaped(text)}"' for key, text in labels.items())
        self._lines.append(f"{name}{{{inner}}} {value:.17g}" if inner else f"{name} {value:.17g}")


def _escaped(text: str) -> str:
    return text.replace("\\", r"\\").replace("\n", r"\n").replace('"', r"\"")
