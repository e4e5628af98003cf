"""What a source answers, for tests that read one themselves."""

from docket.workers.sources.base import Reading


def whole_answer(reading: Reading) -> bytes:
    """The whole answer: classic PCAP."""
    return b"".join(chunk if isinstance(chunk, bytes) else b"".join(chunk) for chunk in reading.chunks)
