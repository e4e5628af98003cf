"""The page's own modules in a real Chromium, without a server behind them."""

import threading
from collections.abc import Callable, Iterator
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import sync_playwright

import docket.web
from tests.services import needs

STATIC_FOLDER = Path(docket.web.__file__).with_name("static")

Call = Callable[..., Any]
"""`call(module, function, *arguments)`: what a function of one of the page's modules returns, as JSON."""


class _Handler(SimpleHTTPRequestHandler):
    extensions_map = SimpleHTTPRequestHandler.extensions_map | {".mjs": "text/javascript"}

    def log_message(self, format: str, *args: Any) -> None:
        """Nothing worth a line."""


@pytest.fixture(scope="session")
def static_root() -> Iterator[str]:
    """The address below which the page's files are served as they are."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), partial(_Handler, directory=str(STATIC_FOLDER)))
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    thread.join()
    server.server_close()


# Playwright's loop runs in this thread as long as it is open, and other tests have loops of their own.
@pytest.fixture(scope="package")
def call(static_root: str) -> Iterator[Call]:
    """Calls functions of the page's modules in Chromium."""
    executable = needs.program("chromium", "chromium")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=executable, args=["--no-sandbox", "--disable-gpu"])
        page = browser.new_page(timezone_id="Europe/Berlin")
        page.goto(f"{static_root}/favicon.svg")

        def run(module: str, function: str, *arguments: Any) -> Any:
            script = "async ([module, name, values]) => (await import(module))[name](...values)"
            return page.evaluate(script, [f"{static_root}/{module}", function, list(arguments)])

        yield run
        browser.close()
