"""A VLAN interface made in user space: `python vlan.py eth0 20` brings up vlan20 on top of eth0 and serves it.

For stage.py, which starts it as a program of its own on a machine of the stage. Many small kernels have no 802.1Q
of theirs; a TAP device and a packet socket are always there, and what is on the wire is the same.
"""

import fcntl
import os
import selectors
import socket
import struct
import sys

_TUNSETIFF = 0x400454CA
_IFF_TAP, _IFF_NO_PI = 0x0002, 0x1000
_ETH_P_ALL = 0x0003
_SOL_PACKET, _PACKET_AUXDATA = 263, 8
_AUXDATA = struct.Struct("=IIIHHHH")
"""tpacket_auxdata (linux/if_packet.h): status, length, captured, offsets of MAC and network, VLAN tag and its type."""
_TAG_IS_THERE = 1 << 4
_TAG_MASK = 0x0FFF
_LARGEST_FRAME = 65_536


def main(interface: str, vlan: int) -> None:
    """Carry frames between the VLAN interface and the wire below it until the process is ended."""
    tap = os.open("/dev/net/tun", os.O_RDWR)
    fcntl.ioctl(tap, _TUNSETIFF, struct.pack("16sH", f"vlan{vlan}".encode(), _IFF_TAP | _IFF_NO_PI))
    wire = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(_ETH_P_ALL))
    wire.bind((interface, 0))
    wire.setsockopt(_SOL_PACKET, _PACKET_AUXDATA, 1)
    tag = struct.pack("!HH", 0x8100, vlan)
    ready = selectors.DefaultSelector()
    ready.register(tap, selectors.EVENT_READ)
    ready.register(wire, selectors.EVENT_READ)
    while True:
        for key, _ in ready.select():
            if key.fd == tap:
                frame = os.read(tap, _LARGEST_FRAME)
                wire.send(frame[:12] + tag + frame[12:])
            else:
                arrived = _arrived(wire, vlan)
                if arrived is not None:
                    os.write(tap, arrived)


def _arrived(wire: socket.socket, vlan: int) -> bytes | None:
    """Take one frame from the wire; None if it is our own or of another VLAN. The kernel has taken its tag away."""
    frame, notes, _, sender = wire.recvmsg(_LARGEST_FRAME, socket.CMSG_SPACE(_AUXDATA.size))
    if sender[2] == socket.PACKET_OUTGOING:
        return None
    for level, kind, data in notes:
        if (level, kind) == (_SOL_PACKET, _PACKET_AUXDATA):
            status, *_, tag, _type = _AUXDATA.unpack_from(data)
            if status & _TAG_IS_THERE and tag & _TAG_MASK == vlan:
                return frame
    return None


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]))
