"""The processes that this one has started and that still live."""

from pathlib import Path


def children() -> list[int]:
    """Ids of the living children of every thread of this process."""
    found = []
    for listed in Path("/proc/self/task").glob("*/children"):
        try:
            found += [int(pid) for pid in listed.read_text().split()]
        except FileNotFoundError:
            continue  # the thread has just ended
    return found


def dissectors() -> list[int]:
    """Those of the children that are dissectors or on the way to become one."""
    return [pid for pid in children() if _names_dissector(pid)]


def alive(pid: int) -> bool:
    """Whether there is such a process that has not ended."""
    try:
        return "State:\tZ" not in Path(f"/proc/{pid}/status").read_text()
    except FileNotFoundError:
        return False


def _names_dissector(pid: int) -> bool:
    try:
        command = Path(f"/proc/{pid}/cmdline").read_bytes()
    except FileNotFoundError:
        return False
    return b"tshark" in command or b"tcpdump" in command or b"sandbox.py" in command


def descendants(pid: int) -> list[int]:
    """Ids of everything that a process has started, and what that has started."""
    found = []
    for listed in Path(f"/proc/{pid}/task").glob("*/children"):
        try:
            own = [int(one) for one in listed.read_text().split()]
        except FileNotFoundError:
            continue
        for one in own:
            found += [one, *descendants(one)]
    return found


def resident_mib(pid: int) -> float:
    """Memory of a process that is its own and resident, in MiB; 0 if it has ended."""
    try:
        status = Path(f"/proc/{pid}/status").read_text()
    except FileNotFoundError:
        return 0.0
    sizes = [int(line.split()[1]) for line in status.splitlines() if line.startswith("VmRSS:")]
    return sum(sizes) / 1024
