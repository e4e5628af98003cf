"""How every command ends. `docs/command-line.md` and `docket --help` list these; tests hold them together."""

from __future__ import annotations

from enum import IntEnum


class ExitCode(IntEnum):
    """The number a shell sees. A number keeps its meaning for good; new meanings get new numbers."""

    OK = 0
    FAILED = 1
    USAGE = 2
    PARTIAL = 3
    CANCELLED = 4
    REFUSED = 5
    UNREACHABLE = 6
    CONFIG = 7
    BUS = 8
    NOT_WELL = 9
    NOT_SAVED = 10
    CRASHED = 11
    ADDRESS = 12
    NOT_VERIFIED = 13
    INTERRUPTED = 130


MEANINGS = {
    ExitCode.OK: "done; for `docket get` and `docket retry`: the job is complete",
    ExitCode.FAILED: "the job failed: no source gave a usable answer",
    ExitCode.USAGE: "the command line is wrong",
    ExitCode.PARTIAL: "the job is partial: some source fell short; what arrived was saved",
    ExitCode.CANCELLED: "the job was cancelled",
    ExitCode.REFUSED: "the server refused: a fault in the question, or no such job",
    ExitCode.UNREACHABLE: "no Docket server answers at the address",
    ExitCode.CONFIG: "the configuration file has faults",
    ExitCode.BUS: "the broker cannot be used, or has other declarations than Docket's",
    ExitCode.NOT_WELL: "`docket status` found something that is not well",
    ExitCode.NOT_SAVED: "the capture could not be saved whole",
    ExitCode.CRASHED: "a service ended by itself; the log says why",
    ExitCode.ADDRESS: "the address to listen on cannot be used",
    ExitCode.NOT_VERIFIED: "`docket verify` found something that is not as its manifest says",
    ExitCode.INTERRUPTED: "interrupted a second time, without waiting for an orderly end",
}
