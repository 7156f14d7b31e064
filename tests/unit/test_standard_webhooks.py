"""Signatures by Standard Webhooks: what is signed by one of our secrets, in time, and nothing else."""

from __future__ import annotations

import base64
import hmac
from datetime import UTC, datetime, timedelta
from hashlib import sha256

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bsm_remediate.adapters.webhooks.standard import StandardWebhooks
from bsm_remediate.adapters.webhooks.terms import Signed

# The example of the reference implementations.
SECRET = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
BODY = b'{"test": 2432232314}'
HEADERS = {
    b"webhook-id": b"msg_p5jXN8AQM9LWM0D4loKWxJek",
    b"webhook-timestamp": b"1614265330",
    b"webhook-signature": b"v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=",
}
THEN = datetime.fromtimestamp(1614265330, UTC)
OTHER = "whsec_" + base64.b64encode(b"o" * 32).decode()
RIGHT = HEADERS[b"webhook-signature"]


def test_the_example_of_the_reference_implementations_fits() -> None:
    assert StandardWebhooks([SECRET]).verify(HEADERS, BODY, THEN) == Signed("msg_p5jXN8AQM9LWM0D4loKWxJek")


@pytest.mark.parametrize(
    ("off_s", "fits"), [(-301, False), (-300, True), (0, True), (300, True), (301, False), (86400 * 365 * 100, False)]
)
def test_it_counts_for_five_minutes_before_and_after_its_time(off_s: int, fits: bool) -> None:
    now = THEN + timedelta(seconds=off_s)
    standard = StandardWebhooks([SECRET])
    assert standard.is_claimed(HEADERS, now) is fits
    assert (standard.verify(HEADERS, BODY, now) is not None) is fits


@pytest.mark.parametrize("secrets", [[SECRET], [OTHER, SECRET], [SECRET, OTHER], [SECRET.removeprefix("whsec_")]])
@pytest.mark.parametrize("signatures", [RIGHT, b"v1,AAAA " + RIGHT, RIGHT + b" v1a,xyz"])
def test_while_secrets_are_exchanged_any_of_them_and_any_signature_counts(
    secrets: list[str], signatures: bytes
) -> None:
    headers = {**HEADERS, b"webhook-signature": signatures}
    assert StandardWebhooks(secrets).verify(headers, BODY, THEN)
    assert not StandardWebhooks([OTHER]).verify(headers, BODY, THEN)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        (b"webhook-id", b""),
        (b"webhook-id", b"msg.1614265330"),  # the signed text would mean two things
        (b"webhook-id", b"msg_\xff"),
        (b"webhook-id", b"m" * 257),
        (b"webhook-timestamp", b""),
        (b"webhook-timestamp", b"1614265331"),
        (b"webhook-timestamp", b"1614265330.0"),
        (b"webhook-timestamp", b"-1"),
        (b"webhook-timestamp", "\N{ARABIC-INDIC DIGIT ONE}614265330".encode()),
        (b"webhook-timestamp", b"9" * 5000),
        (b"webhook-signature", b""),
        (b"webhook-signature", b"v1," + b"A" * 44),
        (b"webhook-signature", RIGHT.removeprefix(b"v1,")),
        (b"webhook-signature", RIGHT.replace(b"v1,", b"v0,")),
        (b"webhook-signature", RIGHT[:-1]),
        (b"webhook-signature", "v1,ä".encode()),
        (b"webhook-signature", b"v1,x " * 20 + RIGHT),  # nobody has so many secrets
    ],
)
def test_one_wrong_header_and_it_is_not_signed(name: bytes, value: bytes) -> None:
    standard = StandardWebhooks([SECRET])
    assert not standard.verify({**HEADERS, name: value}, BODY, THEN)
    missing = {key: one for key, one in HEADERS.items() if key != name}
    assert not standard.is_claimed(missing, THEN)
    assert not standard.verify(missing, BODY, THEN)


@given(st.binary(max_size=300), st.text("abc-_", min_size=1, max_size=30), st.integers(-300, 300))
def test_whatever_is_signed_fits_and_no_other_body_does(body: bytes, delivery: str, off_s: int) -> None:
    timestamp = str(int(THEN.timestamp()) + off_s)
    key = base64.b64decode(OTHER.removeprefix("whsec_"))
    digest = hmac.new(key, f"{delivery}.{timestamp}.".encode() + body, sha256).digest()
    headers = {
        b"webhook-id": delivery.encode(),
        b"webhook-timestamp": timestamp.encode(),
        b"webhook-signature": b"v1," + base64.b64encode(digest),
    }
    assert StandardWebhooks([SECRET, OTHER]).verify(headers, body, THEN) == Signed(delivery)
    assert not StandardWebhooks([SECRET, OTHER]).verify(headers, body + b" ", THEN)


@pytest.mark.parametrize("secret", ["", "whsec_", "secret", "whsec_c2hvcnQ=", "whsec_" + "A" * 400, "whsec_ä"])
def test_a_weak_or_broken_secret_is_refused(secret: str) -> None:
    with pytest.raises(ValueError, match="must"):
        StandardWebhooks([secret])
