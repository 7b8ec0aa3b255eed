"""What requests cost, beyond the credits of their methods, and who pays.

    a method                       its credits, of the key, else of the address
    a body                         a credit for each whole 4 KiB, of the same
    a refusal before the credits   10, of the address: no JSON, an unknown method, a scope that is missing
    a proof by signature           3 for an HMAC, 100 for Ed25519: of the key that is proven, else of the address
    a proof by secret              2,000 of the address, before it is tried

A credit is about ten microseconds of a core. No cost is above what the payer can hold at most, so a service of
narrow limits stays usable.
"""

from __future__ import annotations

from steelyard.quantities.errors import SteelyardError
from steelyard.service.access.credits import Credits, Policy
from steelyard.service.access.errors import TooManyRequests
from steelyard.service.access.session import ANONYMOUS, Session
from steelyard.service.rpc.registry import Method

FAULT = 10
SECRET = 2_000
HMAC = 3
ED25519 = 100
BODY_SHIFT = 12


class Charges:
    """Takes credits, or raises ACCS-E40.

    >>> from steelyard.service.access.credits import Limit
    >>> charges = Charges(Policy(anonymous=Limit(1, 20)))
    >>> for _ in range(2):
    ...     charges.fault(ANONYMOUS, None, 0, "192.0.2.1")
    >>> charges.fault(ANONYMOUS, None, 0, "192.0.2.1")
    Traceback (most recent call last):
    steelyard.service.access.errors.TooManyRequests: ACCS-E40: too many requests (cost=10, \
retry_after_us=10000000). Rule: a request costs credits, which come back at a steady rate up to a burst. \
Cure: send it again in 10000000 microseconds.
    """

    def __init__(self, policy: Policy) -> None:
        self._credits = Credits(policy)
        self._burst = policy.anonymous.burst
        self._policy = policy

    @property
    def credits(self) -> Credits:
        """The buckets, for whoever charges by another list of prices."""
        return self._credits

    def method(self, session: Session, method: Method, time_us: int, address: str) -> None:
        """Take what a method costs."""
        kind = "trading" if method.scope == "trade" else "reading"
        self._credits.require(session, kind, method.credits, time_us, address=address)  # type: ignore[arg-type]

    def body(self, session: Session, size: int, time_us: int, address: str) -> None:
        """Take what a body costs before it is read."""
        cost = size >> BODY_SHIFT
        if cost:
            burst = self._policy.limit(session.key_id, "reading").burst
            self._credits.require(session, "reading", min(cost, burst), time_us, address=address)

    def fault(
        self, _session: Session, _error: SteelyardError | None, time_us: int, address: str
    ) -> None:
        """Take what a refusal costs, of the address."""
        self.of_address(FAULT, time_us, address)

    def of_address(self, cost: int, time_us: int, address: str) -> None:
        """Take a cost of an address."""
        cost = min(cost, self._burst)
        self._credits.require(ANONYMOUS, "reading", cost, time_us, address=address)

    def of_key(self, session: Session, cost: int, time_us: int) -> None:
        """Take a cost of a key."""
        burst = self._policy.limit(session.key_id, "reading").burst
        self._credits.require(session, "reading", min(cost, burst), time_us)

    def check_address(self, cost: int, time_us: int, address: str) -> None:
        """Raise ACCS-E40 where an address could not pay a cost; nothing is taken."""
        cost = min(cost, self._burst)
        left = self._credits.spend(ANONYMOUS, "reading", 0, time_us, address=address).credits_left
        if left < cost:
            wait_us = -(-(cost - left) * 1_000_000 // self._policy.anonymous.rate_per_s)
            raise TooManyRequests(cost, wait_us)
