"""`python -m tests.browser.screenshots FOLDER`: every page, light and dark, wide and narrow, as small PNG files.

Run by `make screenshots`. The pictures show whatever the page is now; somebody must look at them.
"""

import base64
import struct
import sys
import tempfile
import zlib
from pathlib import Path
from typing import Literal

from playwright.sync_api import Browser, Page, ViewportSize, expect, sync_playwright

from tests.browser.conftest import FLAGS
from tests.browser.page_driver import Person
from tests.browser.page_fixture import Stage, staged
from tests.services import needs

WIDTHS: dict[str, ViewportSize] = {
    "large": {"width": 1440, "height": 900},
    "wide": {"width": 1280, "height": 800},
    "narrow": {"width": 390, "height": 844},
}
LOOKED_AT = "large"
"""Pictures of this width are to be looked at, and kept out of the repository: in a folder of their own."""
Theme = Literal["light", "dark"]
THEMES: tuple[Theme, ...] = ("light", "dark")
TALLEST_PX = 1_700
"""Of a narrow page; what is below looks like what is above."""

_PALETTE = """async (source) => {
  const image = new Image();
  image.src = "data:image/png;base64," + source;
  await image.decode();
  const canvas = new OffscreenCanvas(image.width, image.height).getContext("2d");
  canvas.drawImage(image, 0, 0);
  const pixels = new Uint32Array(canvas.getImageData(0, 0, image.width, image.height).data.buffer);
  const counts = new Map();
  for (const pixel of pixels) counts.set(pixel, (counts.get(pixel) ?? 0) + 1);
  const byCount = [...counts.keys()].sort((a, b) => counts.get(b) - counts.get(a));
  const coarse = new Map();
  for (const pixel of byCount) if (!coarse.has(pixel & 0xf0f0f0)) coarse.set(pixel & 0xf0f0f0, pixel);
  const palette = [...new Set([...coarse.values(), ...byCount])].slice(0, 256);
  const channels = (pixel) => [pixel & 255, (pixel >> 8) & 255, (pixel >> 16) & 255];
  const places = new Map(palette.map((pixel, place) => [pixel, place]));
  const known = palette.map(channels);
  const nearest = (pixel) => {
    const [r, g, b] = channels(pixel);
    const far = known.map(([x, y, z]) => (r - x) ** 2 + (g - y) ** 2 + (b - z) ** 2);
    return far.indexOf(Math.min(...far));
  };
  const indexes = new Uint8Array(pixels.length);
  pixels.forEach((pixel, at) => {
    if (!places.has(pixel)) places.set(pixel, nearest(pixel));
    indexes[at] = places.get(pixel);
  });
  let text = "";
  for (let at = 0; at < indexes.length; at += 8192) text += String.fromCharCode(...indexes.subarray(at, at + 8192));
  return { width: image.width, height: image.height, palette: known.flat(), indexes: btoa(text) };
}"""
"""A picture in 256 of its colours: one of each sort, the rest the most frequent; all others become the nearest of
these. Runs in the browser."""


def main(folder: Path) -> None:
    """Take all pictures into the folder."""
    (folder / LOOKED_AT).mkdir(parents=True, exist_ok=True)
    executable = needs.program("chromium", "chromium")
    with tempfile.TemporaryDirectory(prefix="docket-stage-") as directory, staged(Path(directory)) as stage:
        stage.play()
        with sync_playwright() as playwright:
            browser = playwright.chromium.launch(executable_path=executable, args=list(FLAGS))
            for theme in THEMES:
                for width in WIDTHS:
                    _take_all(browser, stage, folder, theme, width)
            browser.close()


def _take_all(browser: Browser, stage: Stage, folder: Path, theme: Theme, width: str) -> None:
    context = browser.new_context(viewport=WIDTHS[width], color_scheme=theme, reduced_motion="reduce")
    person = Person(context.new_page(), stage.server.url)
    converter = context.new_page()
    person.page.bring_to_front()

    def take(name: str) -> None:
        picture = person.page.screenshot(full_page=True, animations="disabled")
        place = folder / LOOKED_AT if width == LOOKED_AT else folder
        _write(converter, picture, place / f"{name}-{theme}-{width}.png")

    person.open()
    expect(person.rows.first).to_contain_text("Running")
    person.last("1 h")
    person.query.fill("host 10.1.2.3 and (port 80 or port 443)")
    expect(person.page.locator(".tick-says.is-stale")).to_have_count(0)
    expect(person.page.locator(".estimate")).not_to_be_empty()
    expect(person.page.locator(".traffic path")).to_have_count(2)
    person.page.evaluate("document.activeElement.blur()")
    take("ask-and-jobs")
    for name in ("running", "partial", "complete"):
        person.open("jobs/" + stage.jobs[name])
        expect(person.page.locator(".story li").nth(2)).to_be_visible()
        if name != "running":
            expect(person.page.get_by_role("grid", name="Packets").get_by_role("row").nth(5)).to_be_visible()
        take(f"job-{name}")
    person.open("sources")
    expect(person.page.locator(".card")).to_have_count(3)
    expect(person.page.locator(".traffic path")).to_have_count(2)
    take("sources")
    context.close()


def _write(converter: Page, picture: bytes, path: Path) -> None:
    """Write the picture with a palette, which makes it about a third as large."""
    reduced = converter.evaluate(_PALETTE, base64.b64encode(picture).decode())
    width, height = reduced["width"], min(reduced["height"], TALLEST_PX)
    rows = base64.b64decode(reduced["indexes"])
    lines = b"".join(b"\0" + rows[at : at + width] for at in range(0, width * height, width))
    path.write_bytes(
        b"\x89PNG\r\n\x1a\n"
        + _chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, 8, 3, 0, 0, 0))
        + _chunk(b"PLTE", bytes(reduced["palette"]))
        + _chunk(b"IDAT", zlib.compress(lines, 9))
        + _chunk(b"IEND", b"")
    )


def _chunk(kind: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


if __name__ == "__main__":
    main(Path(sys.argv[1]))
