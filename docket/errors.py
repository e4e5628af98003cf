"""The one exception tree. Anybody may import it; it imports nothing of Docket.

DocketError
├── InvalidRequest          a question with faults (all of them at once)
├── ConfigError             a configuration file with faults (all of them at once)
├── MessageError            a message on the bus that cannot be understood
├── BusError
│   ├── BusLost             the broker went away
│   │   └── BusRefused      the broker is there and refuses: a login, a vhost, a right
│   │       └── QueueHidden how full a queue is, this user may not see
│   ├── Unroutable          no queue takes the message
│   ├── BusFull             the queue is full for longer than allowed
│   └── TopologyMismatch    the broker has a queue or exchange of the same name, declared differently
│       └── NotDeclared     a queue or exchange is not there, and this user may not declare it
├── SourceError             a source could not answer; carries the verdict and the sentence
├── CaptureError            bytes that are not a capture Docket can merge
├── DissectionError         packets could not be looked into: a crash, a limit; carries the sentence
│   └── DissectorMissing    tshark or tcpdump is not installed
├── InspectorAway           the inspector, which looks into packets, does not answer
├── NoSuchJob               an unknown id
├── ServerRefused           a server's refusal, as its client sees it (all faults at once)
├── ServerUnreachable       no Docket server answers
└── SpoolError
    └── SpoolFull           too little space, or quota used up
"""

from __future__ import annotations

from dataclasses import dataclass

from msgspec import UNSET, UnsetType


@dataclass(frozen=True, slots=True)
class Fault:
    """One thing that is wrong with an input: a stable code, a sentence, and where it is."""

    code: str
    message: str
    field: str | None = None
    position: int | None = None
    """Offset in characters in the text of `field`, or a line number for configuration files."""
    suggestion: str | UnsetType = UNSET
    """The whole text of `field` with this fault mended, where it is plain what was meant; otherwise not there."""


class DocketError(Exception):
    """Everything Docket raises on purpose; catch it at the edge and show its text."""


class Faulty(DocketError):
    """An input with faults. Shared by the errors that carry a list of them."""

    def __init__(self, faults: list[Fault]) -> None:
        super().__init__("; ".join(fault.message for fault in faults))
        self.faults = tuple(faults)


class InvalidRequest(Faulty):
    """Raised by the parsers of questions; the asker should mend every fault and ask again."""


class ConfigError(Faulty):
    """Raised by `config`; the operator should mend every fault. `position` is a line number."""


class MessageError(DocketError):
    """Raised by decoders of bus messages; the consumer sends the message to `docket.dead` with the reason."""


class BusError(DocketError):
    """Something between Docket and its broker."""


class BusLost(BusError):
    """The connection is gone; the caller should start over when the bus is back."""


class BusRefused(BusLost):
    """The broker said no, and the text says why; the operator must act, so the caller should ask rarely."""


class QueueHidden(BusRefused):
    """This user may not look at a queue; the caller should go on without what it would have seen."""


class Unroutable(BusError):
    """No queue is declared for this message; the caller reports that to the asker."""


class BusFull(BusError):
    """The broker refused the message for longer than the caller wanted to wait."""


class TopologyMismatch(BusError):
    """The broker's declarations differ from ours; the operator must delete the old ones. Not retried."""


class NotDeclared(TopologyMismatch):
    """Something is not on the broker, and this user may not declare it; who may has perhaps not started yet."""


class SourceError(DocketError):
    """Raised by a kind of source when it cannot answer; the worker turns it into a verdict."""

    def __init__(self, verdict: str, sentence: str) -> None:
        super().__init__(sentence)
        self.verdict = verdict
        self.sentence = sentence


class CaptureError(DocketError):
    """Raised by `pcap`; the source's answer is not usable from here on: from `offset`, where that is known."""

    def __init__(self, message: str, offset: int | None = None) -> None:
        super().__init__(message)
        self.offset = offset


class DissectionError(DocketError):
    """Raised by `packets` when a dissector crashed or ran into a limit; its text is shown as the answer."""


class DissectorMissing(DissectionError):
    """Raised by `packets` when a program that it needs is not installed; the operator may install it."""


class InspectorAway(DocketError):
    """Raised by the inspector's clients; the asker should try again when the inspector runs."""


class NoSuchJob(DocketError):
    """Raised by the ledger and the spool for an id they do not know."""


class ServerRefused(Faulty):
    """Raised by the command line's client; the user should mend every fault and call again."""

    def __init__(self, faults: list[Fault], status: int) -> None:
        super().__init__(faults)
        self.status = status


class ServerUnreachable(DocketError):
    """Raised by the command line's client when nothing, or something else than Docket, answers."""


class SpoolError(DocketError):
    """The spool could not be read or written."""


class SpoolFull(SpoolError):
    """Raised before a job is accepted when space or quota would not hold it."""
