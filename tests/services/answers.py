"""What a source answers, for tests that read one themselves."""

from collections.abc import Iterator

from docket.workers.sources.base import Reading


def chunks_of(reading: Reading) -> Iterator[bytes]:
    """Its chunks, each as it is, or joined from its pieces."""
    return (chunk if isinstance(chunk, bytes) else b"".join(chunk) for chunk in reading.chunks)


def whole_answer(reading: Reading) -> bytes:
    """The whole answer: classic PCAP."""
    return b"".join(chunks_of(reading))
