"""A person at a sensor's page in Chromium, through its proxy with a password: asks, watches, downloads."""

import base64
import hashlib
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from playwright.sync_api import expect, sync_playwright

from tests.browser.conftest import FLAGS, PATIENCE_MS
from tests.browser.page_driver import Person
from tests.services import needs

SOURCES = ("rock01:em1", "rock01:em2")


@contextmanager
def at_the_page(
    url: str,
    login: tuple[str, str],
    certificate: str,
    directory: Path,
    enter: Sequence[str] = (),
    flags: Sequence[str] = (),
) -> Iterator[Person]:
    """A person with a password. `enter`: what starts Chromium elsewhere, such as in a network of its own.

    `certificate`: the server's, which is trusted by its key, as Playwright's own way does not count for downloads.
    """
    executable = needs.program("chromium", "chromium")
    if enter:
        wrapper = directory / "chromium"
        wrapper.write_text(f'#!/bin/sh\nexec {" ".join(enter)} {executable} "$@"\n')
        wrapper.chmod(0o755)
        executable = str(wrapper)
    expect.set_options(timeout=PATIENCE_MS)
    with sync_playwright() as playwright:
        trusted = f"--ignore-certificate-errors-spki-list={_key_hash(certificate)}"
        browser = playwright.chromium.launch(executable_path=executable, args=[*FLAGS, trusted, *flags])
        context = browser.new_context(
            http_credentials={"username": login[0], "password": login[1]},
            accept_downloads=True,
        )
        context.set_default_timeout(PATIENCE_MS)
        yield Person(context.new_page(), url)
        browser.close()


def ask_and_download(person: Person, query: str, directory: Path) -> Path:
    """The capture that the person saved."""
    person.open()
    person.ask_and_open(query)
    for source in SOURCES:
        expect(person.lane(source)).to_be_visible()
    link = person.page.locator("a.button.is-primary[download]")
    expect(link).to_be_visible()
    saved = person.download(link, directory)
    person.check()
    return saved


def _key_hash(certificate: str) -> str:
    key = x509.load_pem_x509_certificate(certificate.encode()).public_key()
    spki = key.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    return base64.b64encode(hashlib.sha256(spki).digest()).decode()
