"""The page is light."""

from playwright.sync_api import Response, expect

from tests.browser.conftest import Visit
from tests.browser.server import Server

MOST_BYTES = 260_000
MOST_FILES = 100


def test_first_page_weighs_less_than_260_kb(visit: Visit, demo: Server) -> None:
    """All files that the first page loads, uncompressed; nothing comes from elsewhere."""
    person = visit(demo.url)
    answers: list[Response] = []
    person.page.on("response", lambda answer: answers.append(answer))
    person.open()
    expect(person.query).to_be_visible()
    files = {answer.url: len(answer.body()) for answer in answers if "/api/" not in answer.url}
    assert all(url.startswith(demo.url) for url in files)
    assert any(url.endswith("/app.js") for url in files)
    assert sum(files.values()) < MOST_BYTES
    assert len(files) < MOST_FILES
