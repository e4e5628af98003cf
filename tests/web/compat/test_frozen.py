"""The interface of Docket 1.0.3 is what it was: it works, and nothing is added to it."""

from docket.web.compat.docket1_handlers import LEGACY

ORIGINAL = {
    "api",
    "api/uri/{path:path}",
    "api/raw/{path:path}",
    "api/query",
    *(f"api/{name}{rest}" for name in ("ids", "urls", "jobs", "status", "stats") for rest in ("", "/{ids}")),
    "api/clean",
    "api/cleanup",
    "results/{id}/merged.pcap",
}


def test_the_original_interface_is_frozen() -> None:
    """A route more belongs below `api/v1`; a route less breaks links and scripts of the original's users."""
    paths = [route.path for route in LEGACY]
    assert (set(paths), len(paths)) == (ORIGINAL, len(ORIGINAL))
