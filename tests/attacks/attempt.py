"""One attempt of an attacker: who tried what against which asset, and what became of it."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Attempt:
    role: str
    asset: str
    tried: str
    expected: str
    happened: str

    @property
    def right(self) -> bool:
        return self.expected == self.happened

    @property
    def text(self) -> str:
        row = f"{self.role:<30} {self.asset:<22} {self.tried:<62} {self.happened}"
        return row if self.right else f"{row}  WRONG: expected {self.expected}"
