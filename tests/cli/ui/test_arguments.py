"""Values on the command line are understood or refused, never cut short in silence."""

import argparse

import pytest

from docket.cli.ui.arguments import sender


@pytest.mark.parametrize(
    ("written", "expected"),
    [
        ("10.0.0.1", {"address": "10.0.0.1"}),
        ("10.0.0.1,443", {"address": "10.0.0.1", "port": 443}),
        ("10.0.0.1,https", {"address": "10.0.0.1", "port": 443}),
        ("2001:db8::1,53", {"address": "2001:db8::1", "port": 53}),
    ],
)
def test_sender_has_a_port_by_number_or_name(written: str, expected: dict[str, object]) -> None:
    """As the API takes it."""
    assert sender(written) == expected


@pytest.mark.parametrize("written", ["10.0.0.1,", "10.0.0.1,no-such-service", "10.0.0.1,443,80", "10.0.0.1,-1"])
def test_port_that_is_none_is_refused(written: str) -> None:
    """A direction without its port would keep more than was asked for."""
    with pytest.raises(argparse.ArgumentTypeError, match="is no port"):
        sender(written)
