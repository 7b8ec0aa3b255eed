"""What the transport refuses, each with its rule and cure.

WEBT-E01  a host or an origin that is not served    WEBT-E06  the past cannot be asked, or not changed
WEBT-E02  a way of HTTP that is not taken            WEBT-E07  a proof lacks a part, or has one too many
WEBT-E03  a method of a connection, over HTTP        WEBT-E08  the service cannot listen as told
WEBT-E04  too much at once, or the service stops     WEBT-E09  an exception that was asked for
WEBT-E05  a heartbeat or a list out of its bounds    WEBT-E10  the path names another method than the body
"""

from __future__ import annotations

from typing import Literal

from steelyard.quantities.errors import InputError
from steelyard.service.access.errors import TooManyRequests

Reason = Literal["", "bad_request", "forbidden", "unavailable", "temporarily_unavailable", "error"]
RETRY_US = 250_000


class WebError(InputError):
    """The transport refuses. reason: Deribit's word for it, from which the number follows."""

    def __init__(
        self,
        code: str,
        message: str,
        *,
        rule: str,
        cure: str,
        reason: Reason = "bad_request",
        **where: object,
    ) -> None:
        self.reason = reason
        super().__init__(code, message, rule=rule, cure=cure, **where)


def not_served(what: str, said: str) -> WebError:
    """Return WEBT-E01."""
    return WebError(
        "WEBT-E01", f"the {what} {said[:80]!r} is not served", reason="forbidden",
        rule="requests come for a host of ours, and from a page of ours or of an allowed origin",
        cure=f"ask by the address the service prints, or add it to allowed_{what}s",
    )  # fmt: skip


def not_taken(said: str, rule: str, cure: str) -> WebError:
    """Return WEBT-E02."""
    return WebError("WEBT-E02", said, rule=rule, cure=cure)


def only_over_socket(method: str) -> WebError:
    """Return WEBT-E03."""
    return WebError(
        "WEBT-E03", f"{method} belongs to a connection",
        rule="heartbeats, subscriptions, logout and the past are those of a WebSocket connection",
        cure="connect to /ws/api/v2 and send it there", method=method,
    )  # fmt: skip


def too_much(credits: int) -> TooManyRequests:
    """Return the refusal of what would wait too long: Deribit's too_many_requests."""
    return TooManyRequests(credits, RETRY_US)


def too_many_connections(said: str) -> WebError:
    """Return WEBT-E04."""
    return WebError(
        "WEBT-E04", said, rule="connections are bounded, of an address and in all",
        cure="close some, or try again later", reason="unavailable",
    )  # fmt: skip


def out_of_bounds(said: str, rule: str, field: str) -> WebError:
    """Return WEBT-E05."""
    return WebError(
        "WEBT-E05", said, rule=rule, cure="send a value within them", reason="", field=field
    )


def no_past(said: str, rule: str, cure: str) -> WebError:
    """Return WEBT-E06."""
    return WebError("WEBT-E06", said, rule=rule, cure=cure, reason="temporarily_unavailable")


def not_a_grant(grant_type: str, said: str, needed: str) -> WebError:
    """Return WEBT-E07."""
    return WebError(
        "WEBT-E07", said, rule=f"{grant_type} is proven by {needed}", cure="send these and no others",
        reason="", field="grant_type",
    )  # fmt: skip
