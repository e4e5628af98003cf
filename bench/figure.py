"""What a measurement gives: figures, each beside its reference and its bar, and series of a cost that grows. Pure."""

import statistics
from collections.abc import Sequence
from dataclasses import dataclass
from enum import Enum, auto


class Judged(Enum):
    """What of a figure is held against the bar."""

    VALUE = auto()
    RATIO = auto()
    """Each run's value through its reference, which was taken right before it."""
    RATE = auto()
    """The same, where more is better."""
    EXCESS = auto()
    """Each run's value less its reference."""


@dataclass(frozen=True, slots=True)
class Figure:
    """One line of the table."""

    what: str
    unit: str
    values: tuple[float, ...]
    """One per run."""
    reference: str = ""
    """What was measured in the same run, for comparison."""
    references: tuple[float, ...] = ()
    """As many as there are values."""
    judged: Judged = Judged.VALUE
    bar: float | None = None
    stretch: float | None = None

    @property
    def comparisons(self) -> tuple[float, ...]:
        """Run by run: what is judged."""
        match self.judged:
            case Judged.RATIO | Judged.RATE:
                return tuple(value / other for value, other in zip(self.values, self.references, strict=True))
            case Judged.EXCESS:
                return tuple(value - other for value, other in zip(self.values, self.references, strict=True))
            case _:
                return self.values

    @property
    def verdict(self) -> str:
        """What the median reached."""
        reached = statistics.median(self.comparisons)
        if self.stretch is not None and self._reaches(reached, self.stretch):
            return "stretch goal"
        if self.bar is None:
            return ""
        return "met" if self._reaches(reached, self.bar) else "missed"

    def _reaches(self, value: float, goal: float) -> bool:
        return value >= goal if self.judged is Judged.RATE else value <= goal

    def row(self) -> tuple[str, ...]:
        """The cells of the table, as Markdown."""
        compared = ""
        if self.judged in (Judged.RATIO, Judged.RATE):
            compared = spread(self.comparisons, "×")
        elif self.judged is Judged.EXCESS:
            compared = spread(self.comparisons, self.unit, sign="+")
        goals = [f"{goal:g}" for goal in (self.bar, self.stretch) if goal is not None]
        reference = f"{self.reference}: {spread(self.references, self.unit)}" if self.references else self.reference
        return self.what, spread(self.values, self.unit), reference, compared, ", ".join(goals), self.verdict


HEADINGS = ("what", "Docket", "reference", "compared", "bar, stretch", "reached")


@dataclass(frozen=True, slots=True)
class Series:
    """A cost as the work grows, for a table and a plot."""

    what: str
    x: str
    unit: str
    points: tuple[tuple[float, float], ...]


@dataclass(frozen=True, slots=True)
class Report:
    """What one measurement found."""

    figures: tuple[Figure, ...] = ()
    series: tuple[Series, ...] = ()


def spread(values: Sequence[float], unit: str, sign: str = "") -> str:
    """The median, and in parentheses the least and the greatest where they differ."""
    low, middle, high = (number(value, sign) for value in (min(values), statistics.median(values), max(values)))
    range_ = f" ({low} to {high})" if low != high else ""
    return f"{middle} {unit}{range_}"


def number(value: float, sign: str = "") -> str:
    """Three digits that count."""
    digits = 0 if abs(value) >= 100 else 1 if abs(value) >= 10 else 2 if abs(value) >= 0.1 or value == 0 else 4
    return format(value, f"{sign},.{digits}f")


def percentile(values: Sequence[float], share: float) -> float:
    """The value that this share of them does not exceed."""
    ordered = sorted(values)
    return ordered[min(int(len(ordered) * share), len(ordered) - 1)]
