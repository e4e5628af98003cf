"""Counts, sizes and durations as people read them: the one way to write them, for sentences, terminal and estimates."""

from __future__ import annotations

_SIZES = ("B", "kB", "MB", "GB", "TB", "PB")


def size_text(size_bytes: float) -> str:
    """Bytes with two or three figures: `41 kB`, `1.2 GB`, `320 MB`."""
    power = 0
    while size_bytes >= 999.5 and power < len(_SIZES) - 1:
        size_bytes /= 1000
        power += 1
    digits = 1 if power and size_bytes < 9.95 else 0
    return f"{size_bytes:.{digits}f} {_SIZES[power]}"


def counted(count: int, one: str, many: str = "") -> str:
    """`1 hook`, `4,872 hooks`; `many` where the plural has more than an s."""
    return f"{count:,} {one if count == 1 else many or one + 's'}"


def packets_text(packets: int) -> str:
    """`1 packet`, `4,872 packets`."""
    return counted(packets, "packet")
