"""The page and its files: `index.html` below every address of the page, and `static/` with tags by content.

The page is made of small modules that import each other by relative paths, so a version in the path or query
would have to be written into all of them. Instead browsers ask each time, and hear 304 while nothing changed.
"""

from __future__ import annotations

import hashlib
import mimetypes
from dataclasses import dataclass
from pathlib import Path

from docket.web.handlers.base import Handler
from docket.web.http.api_errors import api_error
from docket.web.http.ranges import none_match

_TYPES = {".js": "text/javascript", ".mjs": "text/javascript", ".css": "text/css", ".svg": "image/svg+xml"}
"""What `mimetypes` knows depends on the machine; modules are refused by browsers under any other type."""

_BASE_TAG = '<base href="./">'
"""Stands in `index.html` where its relative addresses need the base path, also on the page `jobs/<id>`."""


@dataclass(frozen=True, slots=True)
class StaticFile:
    content: bytes
    kind: str
    tag: str


class StaticFiles:
    """All files of the page, read once: they are few and small, and none can change under a running process."""

    def __init__(self, folder: Path, base_path: str) -> None:
        self._files: dict[str, StaticFile] = {}
        for path in sorted(folder.rglob("*")):
            if path.is_file():
                content = path.read_bytes()
                if path.suffix == ".html":
                    content = content.replace(_BASE_TAG.encode(), f'<base href="{base_path}">'.encode())
                self._files[path.relative_to(folder).as_posix()] = _static_file(path.suffix, content)

    def get(self, name: str) -> StaticFile:
        """Looked up by name, never on disk, so that no name can lead elsewhere. Raises ApiError (404)."""
        if name not in self._files:
            raise api_error(404, "not-found", "not found")
        return self._files[name]


class PageHandler(Handler):
    """`index.html`, whatever the page's own address is: the page reads that itself."""

    def get(self, *_: str) -> None:
        _send(self, "index.html")

    head = get


class StaticHandler(Handler):
    """One file of the page."""

    def get(self, name: str) -> None:
        _send(self, name)

    head = get


class SlashHandler(Handler):
    """The base path without its last slash leads to the page."""

    def get(self) -> None:
        self.redirect(self.services.urls.base, status=308)

    head = get


def _send(handler: Handler, name: str) -> None:
    files: StaticFiles = handler.settings["static_files"]
    file = files.get(name)
    handler.set_header("Cache-Control", "no-cache")
    handler.set_header("ETag", f'"{file.tag}"')
    if not none_match(handler.request.headers.get("If-None-Match"), file.tag):
        handler.set_status(304)
        return
    handler.set_header("Content-Type", file.kind)
    handler.write(file.content)


def _static_file(suffix: str, content: bytes) -> StaticFile:
    kind = _TYPES.get(suffix) or mimetypes.guess_type(f"file{suffix}")[0] or "application/octet-stream"
    if kind.startswith("text/"):
        kind += "; charset=utf-8"
    return StaticFile(content, kind, hashlib.sha256(content).hexdigest()[:32])
