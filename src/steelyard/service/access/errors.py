"""The refusals of access: each has a stable code, a rule, a cure and a reason in Deribit's words.

    ACCS-E01 … E09   the key file, the master key and what is asked of them: for who runs the service
    ACCS-E10 … E12   a proof that does not hold, a revoked key, an expired key
    ACCS-E20 … E25   a signature: its form, its time, its nonce
    ACCS-E30 … E35   tokens and the scopes asked for
    ACCS-E40, E41    rate limits
    ACCS-E50 … E55   a method, a scope or an account that is not permitted

Whoever has proven nothing learns nothing: an unknown key, a wrong secret and a false signature are
all ACCS-E10 with one text. That a key is revoked or expired is told to who proved it.
"""

from __future__ import annotations

from typing import Literal

from steelyard.quantities.errors import InputError

Reason = Literal[
    "bad_request", "invalid_credentials", "unauthorized", "forbidden", "too_many_requests"
]
_REASONS: dict[str, Reason] = {
    "ACCS-E10": "invalid_credentials",
    "ACCS-E11": "invalid_credentials",
    "ACCS-E12": "invalid_credentials",
    "ACCS-E21": "unauthorized",
    "ACCS-E23": "unauthorized",
    "ACCS-E24": "too_many_requests",
    "ACCS-E30": "unauthorized",
    "ACCS-E34": "too_many_requests",
    "ACCS-E35": "too_many_requests",
    "ACCS-E40": "too_many_requests",
    "ACCS-E50": "unauthorized",
    "ACCS-E51": "forbidden",
    "ACCS-E52": "forbidden",
    "ACCS-E53": "forbidden",
}


class AccessError(InputError):
    """Access is refused, or what decides on access cannot be read.

    >>> e = AccessError("ACCS-E53", "the scope trade is needed", rule="r", cure="c")
    >>> e.reason
    'forbidden'
    """

    @property
    def reason(self) -> Reason:
        """Return Deribit's name for the refusal, from which a transport takes its number."""
        return _REASONS.get(self.code, "bad_request")


class TooManyRequests(AccessError):
    """The credits do not suffice; after `retry_after_us` the same request is served."""

    def __init__(self, cost: int, retry_after_us: int) -> None:
        self.retry_after_us = retry_after_us
        super().__init__(
            "ACCS-E40",
            "too many requests",
            rule="a request costs credits, which come back at a steady rate up to a burst",
            cure=f"send it again in {retry_after_us} microseconds",
            cost=cost,
            retry_after_us=retry_after_us,
        )


def not_proven() -> AccessError:
    """Return the one refusal of every proof that does not hold (ACCS-E10)."""
    return AccessError(
        "ACCS-E10",
        "the key id or its proof is wrong",
        rule="a request is proven by a known key's secret or signature",
        cure="check the key id, the secret and what was signed; ask for a new key if it is lost",
    )


def key_revoked(key_id: str) -> AccessError:
    """Return the refusal of a proven key that was revoked (ACCS-E11)."""
    return AccessError(
        "ACCS-E11",
        "the key is revoked",
        rule="a revoked key opens nothing",
        cure="ask for a new key",
        key=key_id,
    )


def key_expired(key_id: str, expires_us: int) -> AccessError:
    """Return the refusal of a proven key whose time is over (ACCS-E12)."""
    return AccessError(
        "ACCS-E12",
        "the key has expired",
        rule="a key opens something before its expires_us",
        cure="ask for a new key",
        key=key_id,
        expires_us=expires_us,
    )
