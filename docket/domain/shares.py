"""Who holds how much of something that there is only so much of. Pure; anybody may import it."""

from __future__ import annotations

from typing import Generic, NamedTuple, TypeVar

T = TypeVar("T")


class Holder(NamedTuple, Generic[T]):
    """The one who holds most, and what he has held for longest."""

    name: str
    things: int
    oldest: T


class Shares(Generic[T]):
    """Things and their holders."""

    def __init__(self) -> None:
        self._of: dict[str, dict[T, None]] = {}
        self._holder: dict[T, str] = {}

    def __len__(self) -> int:
        return len(self._holder)

    def count(self, name: str) -> int:
        return len(self._of.get(name, ()))

    def add(self, name: str, thing: T) -> None:
        """`name` holds this now, and no other holder any more."""
        self.discard(thing)
        self._of.setdefault(name, {})[thing] = None
        self._holder[thing] = name

    def discard(self, thing: T) -> None:
        name = self._holder.pop(thing, None)
        if name is not None:
            del self._of[name][thing]
            if not self._of[name]:
                del self._of[name]

    def greediest(self) -> Holder[T] | None:
        """The name that holds most; None if nothing is held."""
        name = max(self._of, key=lambda one: len(self._of[one]), default=None)
        if name is None:
            return None
        return Holder(name, len(self._of[name]), next(iter(self._of[name])))
