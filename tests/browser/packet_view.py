"""Looking at packets in front of the page: where things stand, and packets that an attacker wrote."""

import os
import re
import struct
import time
from pathlib import Path
from typing import Any

from playwright.sync_api import Locator, Page, expect

from docket.packet.pcap import file_header
from tests.browser.page_driver import Person
from tests.faults.packets import US_PER_S, Packet, record
from tests.services import frames

HOSTILE = ("<script>hacked=1</script>", '"><img src=x onerror=hacked=1>', "\u202egnp.exe")
HOSTILE_PORT = 4_711
AGE_US = 30 * US_PER_S


def hostile_packets(time_us: int) -> list[Packet]:
    """A DNS question and an HTTP request whose names are those of an attacker."""
    label = HOSTILE[0].encode()
    name = bytes([len(label)]) + label + b"\x07example\x00"
    question = struct.pack(">HHHHHH", 7, 0x0100, 1, 0, 0, 0) + name + struct.pack(">HH", 1, 1)
    ends = ("10.66.6.6", "10.66.6.7")
    request = f"GET /{HOSTILE[1]} HTTP/1.1\r\nHost: {HOSTILE[0]}\r\nUser-Agent: {HOSTILE[2]}\r\n\r\n".encode()
    segment = frames.tcp(*ends, (HOSTILE_PORT, 80), request, flags=frames.PSH | frames.ACK)
    packets = [
        frames.ip(*ends, frames.UDP, frames.udp(*ends, (HOSTILE_PORT, 53), question)),
        frames.ip(*ends, frames.TCP, segment),
    ]
    macs = ("02:00:00:00:66:06", "02:00:00:00:66:07")
    return [Packet(time_us + at, frames.ethernet(*macs, packet)) for at, packet in enumerate(packets)]


def place_hostile_packets(folder: Path) -> None:
    """Put them beside the capture files of a sensor, as traffic of half a minute ago."""
    now_us = time.time_ns() // 1000
    path = folder / "em1_66666_29991231235959.pcap"
    path.write_bytes(file_header() + b"".join(record(packet) for packet in hostile_packets(now_us - AGE_US)))
    os.utime(path, (now_us / US_PER_S, now_us / US_PER_S))


def look(person: Person, job: dict[str, Any], more: str = "") -> Person:
    person.open(f"jobs/{job['id']}{more}")
    expect(lines(person.page).first).to_be_visible()
    return person


def panel(page: Page, name: str) -> Locator:
    return page.get_by_role("region", name=re.compile(f"^{name}"))


def lines(page: Page) -> Locator:
    """The rows of the list that are drawn and there."""
    return page.locator(".grid-row[data-place]")


def box_of(locator: Locator) -> tuple[float, float, float, float]:
    box = locator.bounding_box()
    assert box is not None
    return box["x"], box["y"], box["width"], box["height"]


def show(page: Page, display_filter: str) -> None:
    """Write a display filter and press Enter."""
    page.get_by_label("Display filter").first.fill(display_filter)
    page.keyboard.press("Enter")


def shown(page: Page) -> Locator:
    return page.locator("#packets-title .count")
