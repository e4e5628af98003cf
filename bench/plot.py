"""Series as an SVG: small plots beside each other, both axes logarithmic, so that a straight line is a power. Pure."""

import math
from collections.abc import Sequence
from html import escape

from bench.figure import Series, number

_WIDTH, _HEIGHT = 300, 220
_LEFT, _RIGHT, _TOP, _BOTTOM = 52, 14, 34, 38
_PER_ROW = 3
_STYLE = (
    "text{font:11px system-ui,sans-serif;fill:#24292f}.title{font-weight:600}.grid{stroke:#d0d7de;stroke-width:1}"
    ".line{fill:none;stroke:#0b6e99;stroke-width:2}.dot{fill:#0b6e99}.back{fill:#fff}"
)


def plot(series: Sequence[Series]) -> str:
    """The text of the SVG file."""
    rows = max(1, math.ceil(len(series) / _PER_ROW))
    width, height = _WIDTH * min(max(len(series), 1), _PER_ROW), _HEIGHT * rows
    body = "".join(_panel(one, _WIDTH * (i % _PER_ROW), _HEIGHT * (i // _PER_ROW)) for i, one in enumerate(series))
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{width}" height="{height}" viewBox="0 0 {width} {height}">'
        f'<style>{_STYLE}</style><rect class="back" width="100%" height="100%"/>{body}</svg>\n'
    )


def _panel(series: Series, left: int, top: int) -> str:
    xs, ys = _Axis([x for x, _ in series.points]), _Axis([y for _, y in series.points])
    inner_width, inner_height = _WIDTH - _LEFT - _RIGHT, _HEIGHT - _TOP - _BOTTOM
    places = [(_LEFT + xs.place(x) * inner_width, _TOP + (1 - ys.place(y)) * inner_height) for x, y in series.points]
    parts = [_text(_LEFT, 18, series.what, "title", "start")]
    for tick in ys.ticks:
        y = _TOP + (1 - ys.place(tick)) * inner_height
        parts.append(f'<line class="grid" x1="{_LEFT}" x2="{_WIDTH - _RIGHT}" y1="{y:.1f}" y2="{y:.1f}"/>')
        parts.append(_text(_LEFT - 5, y + 4, f"{tick:g}", "tick", "end"))
    for x, place in zip((x for x, _ in series.points), places, strict=True):
        parts.append(_text(place[0], _HEIGHT - _BOTTOM + 15, f"{x:g}", "tick", "middle"))
    parts.append(_text(_LEFT + inner_width / 2, _HEIGHT - 6, f"{series.unit} by {series.x}", "tick", "middle"))
    path = " ".join(f"{x:.1f},{y:.1f}" for x, y in places)
    parts.append(f'<polyline class="line" points="{path}"/>')
    for (x, y), (_, value) in zip(places, series.points, strict=True):
        parts.append(f'<circle class="dot" cx="{x:.1f}" cy="{y:.1f}" r="3"><title>{number(value)}</title></circle>')
    return f'<g transform="translate({left},{top})">{"".join(parts)}</g>'


def _text(x: float, y: float, words: str, kind: str, anchor: str) -> str:
    return f'<text class="{kind}" x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}">{escape(words)}</text>'


class _Axis:
    """A logarithmic axis over whole decades."""

    def __init__(self, values: Sequence[float]) -> None:
        self._low = math.floor(math.log10(min(values)))
        self._high = max(math.ceil(math.log10(max(values))), self._low + 1)

    @property
    def ticks(self) -> list[float]:
        return [10.0**power for power in range(self._low, self._high + 1)]

    def place(self, value: float) -> float:
        """From 0 at the low end to 1 at the high one."""
        return (math.log10(value) - self._low) / (self._high - self._low)
