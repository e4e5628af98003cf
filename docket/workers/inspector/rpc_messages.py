"""What the inspector is asked and what it answers, as others see it. Pure; web app and command line import it."""

from __future__ import annotations

import msgspec

from docket.errors import Fault
from docket.workers.inspector.transactions.transaction_pass import Transactions
from docket.workers.inspector.tshark.conversation_list import Listed
from docket.workers.inspector.tshark.objects import Transferred

MOST_ROWS = 1_000
USUAL_ROWS = 100
MOST_STREAM_BYTES = 1_000_000
USUAL_STREAM_BYTES = 64_000

FORMS = ("text", "hex", "raw")
DIRECTIONS = ("both", "first", "second")


class Question(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One question about one job's result. Only the fields that `ask` calls for count."""

    ask: str
    """`summary`, `packets`, `packet`, `stream`, `transcript`, `check`, `conversations`, `transactions`, `objects`,
    `object`, `archive`, `dissection` or `dissect`."""
    job: str
    user: str = ""
    """Under whose name the question counts where users take turns."""
    filter: str = ""
    bpf: str = ""
    offset: int = 0
    limit: int = USUAL_ROWS
    number: int = 0
    exact: bool = False
    protocol: str = "tcp"
    direction: str = "both"
    form: str = "text"
    search: str = ""
    sort: str = "-bytes"
    by: str = "conversation"
    sources: tuple[str, ...] = ()
    decode_as: tuple[str, ...] | None = None
    key_log: str | None = None


class AnswerHeader(msgspec.Struct, frozen=True, kw_only=True):
    """The first line of an answer; what it announces follows until the connection ends."""

    status: int
    kind: str = "application/json"
    name: str = ""
    """A file name, for what is meant to be saved."""
    cut_bytes: int = 0
    """Behind so many bytes of the stream the file ends, although the stream goes on; 0 for a whole one."""
    missing_bytes: int = 0
    """Of the stream that no packet brought; nothing stands for them in a binary."""
    faults: tuple[Fault, ...] = ()
    """From 400 on; nothing follows then."""


class PacketRow(msgspec.Struct, frozen=True, kw_only=True):
    """One packet in the list."""

    number: int
    """From 1, as tshark counts; the same with and without a filter."""
    time: str
    relative_s: float
    """Since the first packet of the file."""
    source: str
    destination: str
    protocol: str
    length: int
    info: str
    stream: str
    """`tcp 5` or `udp 3`, to follow; empty for others."""
    severity: str
    """How worth a look the dissector finds it: `error`, `warning`, `note`, `chat` or empty."""
    capture_source: str = ""
    """The source that recorded it."""
    duplicate_of: int = 0
    """The packet of another source that it repeats, behind a router perhaps; 0: none."""


class PacketPage(msgspec.Struct, frozen=True, kw_only=True):
    """Some rows of the list."""

    job: str
    state: str
    """`working`: more rows are still coming, ask again; `complete`; `partial`: the dissector could not read all."""
    progress: float
    filter: str
    offset: int
    limit: int
    total: int
    """Rows there are by now: packets, or those that the filter shows."""
    packets: int
    """In the file."""
    exact: int
    """Up to this packet, rows are exactly what tshark says of the whole file."""
    note: str
    rows: tuple[PacketRow, ...]
    sources: tuple[str, ...] = ()
    """Only packets that these recorded are shown; empty: those of all."""


class StreamPiece(msgspec.Struct, frozen=True, kw_only=True):
    """What one end said in one go."""

    sender: int
    """0 or 1: which of `nodes`."""
    offset: int
    """Within all that this sender said."""
    length: int
    content: str
    """As text, as a hex dump, or as hex digits; for `text`, what cannot be printed is a dot."""
    packet: int = 0
    """The packet that brought it, from 1 on; 0 where it is not known."""
    time: str | None = None
    capture_source: str = ""
    """The source that recorded that packet."""
    lost: bool = False
    """Bytes are missing here: `content` says how many."""


class StreamPage(msgspec.Struct, frozen=True, kw_only=True):
    """Some of a stream."""

    job: str
    protocol: str
    number: int
    state: str
    """`working` or `complete`."""
    filter: str
    nodes: tuple[str, str]
    bytes: tuple[int, int]
    """That each node sent."""
    direction: str
    form: str
    offset: int
    """The place of the first piece among those of this direction."""
    total: int
    """Pieces of this direction."""
    next: int | None
    """The offset of the next page; null on the last one."""
    truncated: bool
    """The stream goes on, but is not kept."""
    note: str
    pieces: tuple[StreamPiece, ...]


class ConversationPage(msgspec.Struct, frozen=True, kw_only=True):
    """Some of the conversations."""

    job: str
    state: str
    """`working`: ask again; `complete`."""
    text: str
    sort: str
    by: str
    offset: int
    limit: int
    total: int
    """That contain the text, joined as wanted."""
    of: int
    """In the result."""
    conversations: tuple[Listed, ...]


class DissectionSettings(msgspec.Struct, frozen=True, kw_only=True):
    """How the packets of a result are dissected, for everybody."""

    job: str
    decode_as: tuple[str, ...]
    """As after tshark's `-d`."""
    keys: int
    """Lines of the TLS key log; the keys themselves are not given out."""


class TransactionList(msgspec.Struct, frozen=True, kw_only=True):
    """DNS by domain, TLS connections and HTTP requests."""

    job: str
    state: str
    """`working`: ask again; `complete`."""
    found: Transactions | None


class ObjectList(msgspec.Struct, frozen=True, kw_only=True):
    """The files that were transferred."""

    job: str
    state: str
    """`working`: ask again; `complete`."""
    truncated: bool
    bytes: int
    objects: tuple[Transferred, ...]
