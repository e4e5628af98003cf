"""From the layers of a packet to the packet: which headers a condition is asked of. Pure; for `match`."""

from __future__ import annotations

from docket.domain.query.terms import Scope
from docket.packet.conditions import Condition, Truth, anything_deeper, truth
from docket.packet.headers import Headers


def scoped(headers: Headers, condition: Condition, scope: Scope) -> Truth:
    """Whether a condition holds for one of the layers that are asked for, one answer per record."""
    outer = headers.layers[0]
    first = condition(outer)
    if scope == "outer":
        return first
    # The IP header of a pseudowire is the outermost one, and inside of a tunnel.
    asked = True if scope == "any" else outer.pseudowire
    yes = first.yes & asked
    possible = (first.possible & asked) | anything_deeper(outer)
    for layer in headers.layers[1:]:
        found = condition(layer)
        yes[layer.record[found.yes]] = True
        possible[layer.record[found.possible | anything_deeper(layer)]] = True
    return truth(yes, yes | possible)
