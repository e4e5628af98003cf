"""The page and its files, base paths, and the headers that every answer has."""

from collections.abc import Iterator
from pathlib import Path

import pytest
import requests

from docket.web.app import STATIC_FOLDER
from docket.web.handlers.page_handlers import StaticFiles
from docket.web.http.api_errors import ApiError
from tests.web.docket_site import Site, running


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    """One Docket for all questions of this file."""
    with running(Site(tmp_path_factory.mktemp("site"))) as site:
        yield site


@pytest.mark.parametrize("path", ["", "sources", "jobs/0192f0c1-0000-7000-8000-000000000000", "jobs/anything"])
def test_page_is_served_at_each_of_its_addresses(site: Site, path: str) -> None:
    """The page finds out by itself which of its views is asked for."""
    answer = site.call("GET", path)
    assert (answer.status_code, answer.headers["Content-Type"]) == (200, "text/html; charset=utf-8")
    assert answer.content == site.call("GET", "").content


def test_files_are_revalidated_by_their_content(site: Site) -> None:
    """Each file has its tag, is asked for each time, and is 304 while it is the same."""
    names = [path.relative_to(STATIC_FOLDER).as_posix() for path in STATIC_FOLDER.rglob("*.js")]
    answer = site.call("GET", f"static/{names[0]}")
    assert (answer.content, answer.headers["Cache-Control"]) == ((STATIC_FOLDER / names[0]).read_bytes(), "no-cache")
    assert answer.headers["Content-Type"] == "text/javascript; charset=utf-8"
    same = site.call("GET", f"static/{names[0]}", headers={"If-None-Match": answer.headers["ETag"]})
    assert (same.status_code, same.content) == (304, b"")


@pytest.mark.parametrize(
    "name", ["../app.py", "/etc/passwd", "./index.html", "index.html/", "", "vendor", "Index.html"]
)
def test_only_the_files_of_the_page_have_names(tmp_path: Path, name: str) -> None:
    """Names are looked up among the files that are there, so none can lead elsewhere."""
    (tmp_path / "vendor").mkdir()
    (tmp_path / "vendor" / "a.js").write_text("a")
    (tmp_path / "index.html").write_text('<base href="./">')
    files = StaticFiles(tmp_path, "/app/docket/")
    assert files.get("vendor/a.js").content == b"a"
    assert files.get("index.html").content == b'<base href="/app/docket/">'
    with pytest.raises(ApiError):
        files.get(name)


@pytest.mark.parametrize("path", ["", "sources", "api/v1/health?live", "api/v1/jobs", "metrics", "static/api.js"])
def test_prefix_may_be_stripped_by_the_proxy(site: Site, path: str) -> None:
    """Every route answers below the base path and without it."""
    stripped = requests.get(f"{site.root}/{path}", timeout=20)
    assert (stripped.status_code, site.call("GET", path).status_code) == (200, 200)


def test_missing_slash_is_redirected(site: Site) -> None:
    """The base path without its slash leads to the page."""
    answer = requests.get(f"{site.root}/app/docket", timeout=20, allow_redirects=False)
    assert (answer.status_code, answer.headers["Location"]) == (308, "/app/docket/")


@pytest.mark.parametrize("base_path", ["/", "/other/place/", "/other.place"])
def test_base_path_can_be_chosen(tmp_path: Path, base_path: str) -> None:
    """Addresses that are handed out begin with the configured base path."""
    other = Site(tmp_path, base_path=base_path)
    base = base_path.rstrip("/") + "/"
    try:
        other.start_collector()
        other.start_web()
        answer = requests.post(f"{other.root}{base}api/v1/jobs", json={"query": "port 53"}, timeout=20)
        assert answer.headers["Location"] == f"{base}api/v1/jobs/{answer.json()['id']}"
        assert requests.get(other.root + answer.headers["Location"], timeout=20).status_code == 200
        other.session.close()
    finally:
        other.close()


@pytest.mark.parametrize("path", ["", "static/api.js", "api/v1/jobs", "api/v1/nothing", "metrics"])
def test_every_answer_is_locked_down(site: Site, path: str) -> None:
    """Page, file, answer and error carry the same headers; nothing inline, nothing from elsewhere, no frames."""
    headers = site.call("GET", path).headers
    policy = headers["Content-Security-Policy"]
    assert "default-src 'self'" in policy
    assert "frame-ancestors 'none'" in policy
    assert "unsafe" not in policy
    expected = {
        "X-Content-Type-Options": "nosniff",
        "Referrer-Policy": "same-origin",
        "Cross-Origin-Opener-Policy": "same-origin",
        "Cross-Origin-Resource-Policy": "same-origin",
        "Server": "docket",
    }
    assert {name: headers[name] for name in expected} == expected
