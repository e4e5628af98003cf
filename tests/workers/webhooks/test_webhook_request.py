"""One attempt against a real receiver: signature, TLS, addresses, redirects, time."""

import base64
import hashlib
import hmac
import ipaddress
import os
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from docket.workers.webhooks.destination import is_allowed
from docket.workers.webhooks.hooks import Hook
from docket.workers.webhooks.webhook_request import deliver
from tests.services.ports import free_port
from tests.workers.webhooks.receiver import make_certificate, receiving

KEY = bytes(range(32))
BODY = b'{"specversion": "1.0"}'
NOW_S = 1_700_000_000


@pytest.fixture
def hook_for(tmp_path: Path) -> Callable[..., Hook]:
    secret = tmp_path / "secret"
    secret.write_text(f"whsec_{base64.b64encode(KEY).decode()}\n")
    secret.chmod(0o600)

    def make(port: int, scheme: str = "http", **more: Any) -> Hook:
        given = {"networks": ("127.0.0.0/8",), "timeout": "5s"} | more
        return Hook(name="n8n", url=f"{scheme}://127.0.0.1:{port}/in?flow=1", secret=str(secret), **given)

    return make


def test_receiver_can_check_the_signature(hook_for: Callable[..., Hook]) -> None:
    """HMAC-SHA256 over id, time and body, as the specification of Standard Webhooks describes it."""
    with receiving() as receiver:
        assert deliver(hook_for(receiver.port), "msg_1", BODY, NOW_S).delivered
        (got,) = receiver.received
    digest = hmac.new(KEY, b"msg_1.1700000000." + BODY, hashlib.sha256).digest()
    assert got.headers["webhook-signature"] == f"v1,{base64.b64encode(digest).decode()}"
    assert (got.headers["webhook-id"], got.headers["webhook-timestamp"]) == ("msg_1", "1700000000")
    assert (got.path, got.body) == ("/in?flow=1", BODY)
    assert got.headers["content-type"] == "application/cloudevents+json; charset=utf-8"


def test_signature_is_that_of_the_published_example() -> None:
    """The example of the specification's own reference libraries."""
    from docket.workers.webhooks.webhook_request import signatures

    key = base64.b64decode("MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw")
    found = signatures([key], "msg_p5jXN8AQM9LWM0D4loKWxJek", 1614265330, b'{"test": 2432232314}')
    assert found == "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="


def test_each_secret_signs_and_is_read_anew(hook_for: Callable[..., Hook], tmp_path: Path) -> None:
    """Beside the old one a new one may be brought in, without a restart; the login goes along."""
    login = tmp_path / "login"
    login.write_text("Bearer abc\n")
    with receiving() as receiver:
        hook = hook_for(receiver.port, authorization=str(login))
        deliver(hook, "msg_1", BODY, NOW_S)
        with Path(hook.secret).open("a") as file:
            file.write(base64.b64encode(b"n" * 24).decode())
        deliver(hook, "msg_1", BODY, NOW_S)
        one, two = (got.headers for got in receiver.received)
    assert two["webhook-signature"].split()[0] == one["webhook-signature"]
    assert len(two["webhook-signature"].split()) == 2
    assert one["authorization"] == "Bearer abc"


@pytest.mark.parametrize(("status", "final", "away"), [(500, False, False), (503, False, True), (410, True, False)])
def test_refusal_is_said(hook_for: Callable[..., Hook], status: int, final: bool, away: bool) -> None:
    """With its number, and whether another attempt makes sense."""
    with receiving() as receiver:
        receiver.answer = status
        attempt = deliver(hook_for(receiver.port), "msg_1", BODY, NOW_S)
    assert (attempt.delivered, attempt.outcome, attempt.final, attempt.away) == (
        False,
        f"answered {status}",
        final,
        away,
    )


def test_redirect_is_not_followed(hook_for: Callable[..., Hook]) -> None:
    """Neither to another host nor to the same."""
    with receiving() as receiver:
        receiver.answer = 307
        attempt = deliver(hook_for(receiver.port), "msg_1", BODY, NOW_S)
        assert len(receiver.received) == 1
    assert (attempt.delivered, attempt.outcome) == (False, "answered 307, and redirects are not followed")


def test_receiver_that_is_away_is_said(hook_for: Callable[..., Hook]) -> None:
    """Nothing listens there."""
    attempt = deliver(hook_for(free_port()), "msg_1", BODY, NOW_S)
    assert (attempt.delivered, attempt.away, attempt.final) == (False, True, False)
    assert "refused" in attempt.outcome


@pytest.mark.parametrize("way", ["silent", "drip"])
def test_slow_receiver_is_left(hook_for: Callable[..., Hook], way: str) -> None:
    """Also one that sends a line now and then: the time is that of the whole attempt."""
    with receiving() as receiver:
        receiver.answer = receiver.drip if way == "drip" else lambda _: receiver.released.wait(60)
        begun_s = time.monotonic()
        attempt = deliver(hook_for(receiver.port, timeout="1s"), "msg_1", BODY, NOW_S)
        took_s = time.monotonic() - begun_s
    assert (attempt.delivered, attempt.away) == (False, True)
    assert took_s < 20


def test_certificate_is_verified(hook_for: Callable[..., Hook], tmp_path: Path) -> None:
    """Its authority, and its name; nothing is sent to another one."""
    right, other = (make_certificate(tmp_path, name) for name in ("127.0.0.1", "receiver.example"))
    with receiving(right) as receiver:
        hook = hook_for(receiver.port, "https")
        for ca, works in ((None, False), (str(other), False), (str(right), True)):
            attempt = deliver(hook_for(receiver.port, "https", ca=ca), "msg_1", BODY, NOW_S)
            assert attempt.delivered is works, attempt.outcome
            assert works or "certificate verify failed" in attempt.outcome
        assert len(receiver.received) == 1
    with receiving(other) as receiver:
        attempt = deliver(hook_for(receiver.port, "https", ca=str(other)), "msg_1", BODY, NOW_S)
        assert "IP address mismatch" in attempt.outcome
        assert receiver.received == []
    assert hook.ca is None


def test_private_addresses_must_be_named(hook_for: Callable[..., Hook]) -> None:
    """This machine, too, and http is for it alone; where a cloud hands out credentials is never allowed."""
    with receiving() as receiver:
        attempt = deliver(hook_for(receiver.port, networks=()), "msg_1", BODY, NOW_S)
        assert receiver.received == []
    assert (attempt.delivered, attempt.final) == (False, True)
    assert "not public" in attempt.outcome
    public, private = ("93.184.216.34", "2606:4700::1111"), ("10.1.2.3", "192.168.1.1", "::1", "fd00::1")
    assert all(is_allowed(ipaddress.ip_address(one), ()) for one in public)
    assert not any(is_allowed(ipaddress.ip_address(one), ()) for one in private)
    assert all(is_allowed(ipaddress.ip_address(one), ("10.0.0.0/8", "192.168.1.1", "::/0")) for one in private)
    through_gateways = ("64:ff9b::10.1.2.3", "64:ff9b:1::a01:203", "2002:a01:203::1", "::10.1.2.3", "fec0::1")
    assert not any(is_allowed(ipaddress.ip_address(one), ()) for one in through_gateways)
    assert is_allowed(ipaddress.ip_address("64:ff9b::93.184.216.34"), ())
    for never in ("64:ff9b::169.254.169.254", "2002:a9fe:a9fe::1"):
        assert not is_allowed(ipaddress.ip_address(never), ("0.0.0.0/0", "::/0"))
    for never in ("169.254.169.254", "fe80::1", "0.0.0.0", "224.0.0.1", "::ffff:169.254.169.254"):
        assert not is_allowed(ipaddress.ip_address(never), ("0.0.0.0/0", "::/0"))


def test_secret_that_is_gone_is_said(hook_for: Callable[..., Hook]) -> None:
    """Nothing is sent unsigned."""
    with receiving() as receiver:
        hook = hook_for(receiver.port)
        os.unlink(hook.secret)
        assert not deliver(hook, "msg_1", BODY, NOW_S).delivered
        assert receiver.received == []
