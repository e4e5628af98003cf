"""The bytes of a capture file in order, decompressed where they must be, in bounded memory. For the readers only.

Compressed files of recorders are often still growing, and consist of many frames (zstd), members (gzip) or blocks. A
stream that ends before its compressed data do is `ended_early`; damage is a `fault`. Neither raises: what came before
is good.
"""

from __future__ import annotations

import bz2
import lzma
import zlib
from collections import deque
from collections.abc import Callable
from typing import BinaryIO, Protocol

import lz4.frame
from backports import zstd

from docket.workers.sources.capture_files.formats import Packing

READ_BYTES = 256 * 1024
MOST_WINDOW_LOG = 27
"""zstd: 128 MiB, what its own program allows; a file that asks for more is refused, not obeyed."""
_SKIPPABLE, _LZ4 = b"\x2a\x4d\x18", b"\x04\x22\x4d\x18"
_TOO_LARGE, _DICTIONARY = "too much memory", "ictionary"
"""What the messages of zstd's library say of a window that is too large, and of a dictionary that is missing."""
_PADDED = (Packing.GZIP, Packing.XZ)
"""Zeros may stand between the parts of these files and behind the last one."""


class Decompressor(Protocol):
    """What Python's own decompressors have in common, and lz4's and zstd's have copied from them."""

    @property
    def eof(self) -> bool: ...
    @property
    def needs_input(self) -> bool: ...
    @property
    def unused_data(self) -> bytes | None: ...
    def decompress(self, data: bytes, max_length: int = -1) -> bytes: ...


class ByteStream(Protocol):
    """What a reader of captures reads from."""

    position: int
    """Offset of the next byte, in the decompressed capture."""
    ended_early: bool
    fault: str

    def frame_at(self, position: int) -> tuple[int, int]:
        """Where a later reading of the capture's bytes from `position` on must begin: offset in the file, and the
        offset in the capture that this is. To be asked in ascending order."""

    def read(self, size: int) -> bytes:
        """Up to so many bytes; none at the end. Raises OSError."""

    def skip(self, size: int) -> None:
        """Pass over bytes. Raises OSError."""


class PlainStream:
    """A file as it is."""

    def __init__(self, file: BinaryIO, offset: int = 0) -> None:
        self._file = file
        self.position = offset
        self.ended_early = False
        self.fault = ""
        if offset:
            file.seek(offset)

    def frame_at(self, position: int) -> tuple[int, int]:
        return position, position

    def read(self, size: int) -> bytes:
        data = self._file.read(size)
        self.position += len(data)
        return data

    def skip(self, size: int) -> None:
        self._file.seek(size - 1, 1)
        self.position += size
        if not self._file.read(1):
            self.ended_early = True


class PackedStream:
    """A compressed file; `offset` and `position` name the beginning of one of its frames."""

    def __init__(self, file: BinaryIO, packing: Packing, offset: int = 0, position: int = 0) -> None:
        self._file = file
        self._packing = packing
        self._input = b""
        self._read_to = offset
        """Offset behind the compressed bytes that were read from the file."""
        self._decompressor: Decompressor | None = None
        self._at_end = False
        self._stuck = False
        """The last step brought nothing, though the decompressor said that it had more."""
        self.position = position
        self._frames: deque[tuple[int, int]] = deque()
        self.ended_early = False
        self.fault = ""
        self.advice = ""
        """What makes a fault readable; none if the data are damaged."""
        if offset:
            file.seek(offset)

    def frame_at(self, position: int) -> tuple[int, int]:
        while len(self._frames) > 1 and self._frames[1][1] <= position:
            self._frames.popleft()
        return self._frames[0]

    def read(self, size: int) -> bytes:
        pieces: list[bytes] = []
        left = size
        while left and not self._at_end:
            piece = self._piece(left)
            pieces.append(piece)
            left -= len(piece)
            self.position += len(piece)
        return pieces[0] if len(pieces) == 1 else b"".join(pieces)

    def skip(self, size: int) -> None:
        while size and (data := self.read(min(size, READ_BYTES))):
            size -= len(data)

    def _piece(self, most: int) -> bytes:
        """Decompress a little, at most so many bytes. May be none, before the end too."""
        if self._decompressor is None and not self._next_frame():
            return b""
        assert self._decompressor is not None
        try:
            if (self._decompressor.needs_input or self._stuck) and not self._input and not self._fill():
                self.ended_early = self._at_end = True
                return b""
            given, self._input = self._input, b""
            data = self._decompressor.decompress(given, most)
            self._stuck = not data and not given
        except zstd.ZstdError as error:
            self._break_off(*_zstd_fault(str(error)))
            return b""
        except (zlib.error, lzma.LZMAError, OSError, EOFError, RuntimeError, MemoryError, ValueError):
            self._break_off()
            return b""
        if self._decompressor.eof:
            self._input = self._decompressor.unused_data or b""
            self._decompressor = None
        return data

    def _next_frame(self) -> bool:
        """Begin the frame that comes now; False at the end of the file."""
        while True:
            if len(self._input) < 8:
                self._fill()
            if not self._input:
                self._at_end = True
                return False
            if self._input[1:4] == _SKIPPABLE and 0x50 <= self._input[0] < 0x60:
                self._skip_frame()
            elif self._packing in _PADDED and not self._input[0]:
                self._input = self._input.lstrip(b"\0")
            else:
                break
        if self._packing is Packing.ZSTD and self._input.startswith(_LZ4):
            # Frames without data are common to both, and the first one may be longer than what was looked at.
            self._packing = Packing.LZ4
        self._frames.append((self._read_to - len(self._input), self.position))
        self._decompressor = _BEGIN[self._packing]()
        return True

    def _skip_frame(self) -> None:
        length = 8 + int.from_bytes(self._input[4:8], "little")
        while len(self._input) < length:
            length -= len(self._input)
            self._input = b""
            if not self._fill():
                self.ended_early = True
                return
        self._input = self._input[length:]

    def _fill(self) -> bool:
        data = self._file.read(READ_BYTES)
        self._read_to += len(data)
        self._input += data
        return bool(data)

    def _break_off(self, fault: str = "", advice: str = "") -> None:
        self.fault = fault or f"the {self._packing.value} data are damaged at or before byte {self._read_to:,}"
        self.advice = advice
        self._at_end = True


class _Gzip:
    """zlib's decompressor with the face of the others."""

    def __init__(self) -> None:
        self._zlib = zlib.decompressobj(wbits=31)

    @property
    def eof(self) -> bool:
        return self._zlib.eof

    @property
    def needs_input(self) -> bool:
        return not self._zlib.unconsumed_tail

    @property
    def unused_data(self) -> bytes:
        return self._zlib.unused_data

    def decompress(self, data: bytes, max_length: int = -1) -> bytes:
        return self._zlib.decompress(self._zlib.unconsumed_tail + data, max(max_length, 0))


def _zstd() -> Decompressor:
    return zstd.ZstdDecompressor(options={zstd.DecompressionParameter.window_log_max: MOST_WINDOW_LOG})


def _zstd_fault(message: str) -> tuple[str, str]:
    """What is wrong and what helps, where the data are whole; nothing else for damage."""
    if _TOO_LARGE in message:
        return (
            f"the zstd data ask for a window of more than {1 << MOST_WINDOW_LOG - 20} MiB",
            "Unpack it (zstd -d --long=31), or pack it again without --long and --ultra.",
        )
    if _DICTIONARY in message:
        return "the zstd data were made with a dictionary", "Unpack it with that dictionary (zstd -d -D)."
    return "", ""


_BEGIN: dict[Packing, Callable[[], Decompressor]] = {
    Packing.GZIP: _Gzip,
    Packing.ZSTD: _zstd,
    Packing.LZ4: lz4.frame.LZ4FrameDecompressor,
    Packing.BZIP2: bz2.BZ2Decompressor,
    Packing.XZ: lzma.LZMADecompressor,
}
