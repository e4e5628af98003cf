"""The query as fields and as text: both ways say the same."""

import pytest

from docket.domain.query.canonical import parse
from tests.page.conftest import Call

pytestmark = pytest.mark.browser


@pytest.mark.parametrize(
    "text",
    [
        "",
        "host 10.1.2.3",
        "host 10.1.2.3 and port 443",
        "host 10.1.2.3 and host 10.1.2.4 and tcp",
        "(host 10.1.2.3 or host 10.1.2.4) and port 443",
        "host 10.1.2.3 or host 10.1.2.4",
        "net 10.0.0.0 mask 255.0.0.0 and ip proto 47",
        "(port 80 or port 443) and (vlan 7 or vlan 8) and icmp6",
        "mpls 16 and udp",
        "not host 10.1.2.3",
        "src host 10.1.2.3 and dst port 443 and not dst net 10.9.0.0/16",
        "(host 10.1.2.3 or src host 10.1.2.4) and ! host 10.1.2.5 and portrange 1000-2000",
    ],
)
def test_fields_say_what_the_text_says(call: Call, text: str) -> None:
    """Read into fields and written again, a text is the same question to the server."""
    written = call("ask/query.js", "writeFields", call("ask/query.js", "readFields", text))
    assert parse(written).canonical == parse(text).canonical


@pytest.mark.parametrize(
    "text",
    [
        "host 10.1.2.3 or port 80",
        "host 10.1.2.3 and (port 80 or udp)",
        "host",
        "not (host 1.2.3.4 or udp)",
        "not tcp",
        "src tcp",
        "tcp and udp",
        ")(",
    ],
)
def test_text_that_says_more_has_no_fields(call: Call, text: str) -> None:
    """Fields are shown only where they say all of it."""
    assert call("ask/query.js", "readFields", text) is None
