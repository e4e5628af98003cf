"""The hash that is taken beside is the hash of what was given, in that order, at any moment."""

import hashlib

from docket.spool.hashing import BackgroundHash


def test_hash_is_that_of_all_pieces_in_order() -> None:
    """Whatever the pieces, more of them than may wait, the digest is that of their concatenation."""
    running, pieces = BackgroundHash(), [bytes([number]) * (1000 * number + 1) for number in range(200)]
    for first, second in zip(pieces[::2], pieces[1::2], strict=True):
        running.update([first, memoryview(second)])
    assert running.hexdigest() == hashlib.sha256(b"".join(pieces)).hexdigest()


def test_hash_can_be_asked_in_between() -> None:
    """A digest tells of what was added before, and more may be added after."""
    running = BackgroundHash()
    digests = [running.hexdigest()]
    for piece in (b"one", b"two"):
        running.update([piece])
        digests.append(running.hexdigest())
    assert digests == [hashlib.sha256(text).hexdigest() for text in (b"", b"one", b"onetwo")]
