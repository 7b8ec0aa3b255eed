"""Rate limits by credits: a steady rate and a burst, per key and class, in integers.

A bucket holds up to `burst` credits and gains `rate_per_s` a second; a request takes its cost or is
refused and takes nothing. Held in credit-microseconds (credits × 1,000,000) the level is an integer
at every instant, so no rounding ever adds up, and what is spent in any time t is at most
burst + rate × t.

Reading and trading have buckets apart: a client that reads too much can still close a position.
Without a key the address counts (an IPv6 network of 64 bits as one). A bucket that has filled up again
is forgotten, which changes nothing. The defaults are Deribit's: 50,000 credits, 10,000 a second, 500 a
request, and 20 orders in a burst of which 5 a second (docs.deribit.com, article "Rate limits").
"""

from __future__ import annotations

import ipaddress
from collections import OrderedDict
from collections.abc import Mapping
from functools import lru_cache
from typing import Literal

import msgspec

from steelyard.service.access.errors import AccessError, TooManyRequests
from steelyard.service.access.session import Session

CreditClass = Literal["reading", "trading"]

UNITS = 1_000_000
BUCKETS_MAX = 100_000


class Limit(msgspec.Struct, frozen=True):
    """Credits a second, and how many are held at most."""

    rate_per_s: int
    burst: int

    def __post_init__(self) -> None:
        if not (0 < self.rate_per_s <= 10**9 and 0 < self.burst <= 10**9):
            raise AccessError(
                "ACCS-E41",
                "a limit is out of bounds",
                rule="rate_per_s and burst are 1 to 1,000,000,000 credits",
                cure="state both as whole numbers",
                rate_per_s=self.rate_per_s,
                burst=self.burst,
            )

    @property
    def fill_us(self) -> int:
        """Return the microseconds in which an empty bucket is full again, rounded up."""
        return -(-self.burst * UNITS // self.rate_per_s)


READING = Limit(10_000, 50_000)
TRADING = Limit(2_500, 10_000)
ANONYMOUS_READING = Limit(2_500, 10_000)
OWN = Limit(100_000, 1_000_000)
"""Of sessions that the process gives out itself, as for its own page: their ids have a colon in them."""


class Policy(msgspec.Struct, frozen=True):
    """The limits: of each class for a key, of everyone without one, of the process's own sessions, and of
    keys that differ."""

    reading: Limit = READING
    trading: Limit = TRADING
    anonymous: Limit = ANONYMOUS_READING
    own: Limit = OWN
    of_key: Mapping[str, Mapping[CreditClass, Limit]] = msgspec.field(default_factory=dict)

    def limit(self, key_id: str, credit_class: CreditClass) -> Limit:
        """Return the limit of a key, "" for none, in a class."""
        if not key_id:
            return self.anonymous
        if ":" in key_id:  # no key of a file is called so
            return self.own
        apart = self.of_key.get(key_id, {}).get(credit_class)
        return apart or (self.trading if credit_class == "trading" else self.reading)


class Decision(msgspec.Struct, frozen=True):
    """Whether a request is served; if not, when it would be; and the whole credits that are left."""

    is_allowed: bool
    retry_after_us: int
    credits_left: int


class Credits:
    """The buckets of all who ask.

    buckets_max: how many that are not full are kept of each limit; past it, who has none is refused,
    and nobody who has one is touched.

    >>> from steelyard.service.access.session import ANONYMOUS
    >>> credits = Credits(Policy(anonymous=Limit(rate_per_s=10, burst=2)))
    >>> [credits.spend(ANONYMOUS, "reading", 1, 0, address="192.0.2.1").is_allowed for _ in range(3)]
    [True, True, False]
    >>> credits.spend(ANONYMOUS, "reading", 1, 0, address="192.0.2.1").retry_after_us
    100000
    """

    def __init__(self, policy: Policy, *, buckets_max: int = BUCKETS_MAX) -> None:
        self._policy = policy
        self._buckets_max = buckets_max
        # Of each class and limit, the longest unused first: owner → (units, since when).
        self._tables: dict[tuple[str, Limit], OrderedDict[str, tuple[int, int]]] = {}
        self._now_us = 0

    def __len__(self) -> int:
        return sum(map(len, self._tables.values()))

    def spend(
        self,
        session: Session,
        credit_class: CreditClass,
        cost: int,
        time_us: int,
        *,
        address: str = "",
    ) -> Decision:
        """Return whether a request of a cost is served now, and take the cost if it is.

        The same answers follow from the same calls. time_us: of a clock that does not go back; while one
        does, time stands still here and nothing is gained. address: needed without a key. Errors: ACCS-E41 for a cost below 0 or above the burst, which no waiting
        would serve.
        """
        limit = self._policy.limit(session.key_id, credit_class)
        if not 0 <= cost <= limit.burst:
            raise _never(cost, limit)
        owner = session.key_id or _network(address)
        pool = credit_class if session.key_id else "anonymous"
        table = self._tables.get((pool, limit))
        if table is None:
            table = self._tables[pool, limit] = OrderedDict()
        now_us = self._now_us = max(self._now_us, time_us)
        held = table.get(owner)
        full = limit.burst * UNITS
        units, since_us = held if held is not None else (full, now_us)
        units = min(full, units + (now_us - since_us) * limit.rate_per_s)
        needed = cost * UNITS
        if units < needed:
            table[owner] = (units, now_us)
            table.move_to_end(owner)
            wait_us = -(-(needed - units) // limit.rate_per_s)
            return Decision(False, wait_us + now_us - time_us, units // UNITS)
        if held is None and cost and not self._has_room(table, limit, now_us):
            first_us = next(iter(table.values()))[1]
            return Decision(False, first_us + limit.fill_us - time_us, 0)
        if held is not None or cost:
            table[owner] = (units - needed, now_us)
            table.move_to_end(owner)
        return Decision(True, 0, (units - needed) // UNITS)

    def require(
        self,
        session: Session,
        credit_class: CreditClass,
        cost: int,
        time_us: int,
        *,
        address: str = "",
    ) -> int:
        """Return the credits left after a request, or raise ACCS-E40 with retry_after_us."""
        decision = self.spend(session, credit_class, cost, time_us, address=address)
        if not decision.is_allowed:
            raise TooManyRequests(cost, decision.retry_after_us)
        return decision.credits_left

    def _has_room(
        self, table: OrderedDict[str, tuple[int, int]], limit: Limit, time_us: int
    ) -> bool:
        """Return whether a bucket can be added, after forgetting at most a few that are full again."""
        for _ in range(4):
            if not table:
                break
            owner, (_, since_us) = next(iter(table.items()))
            if time_us - since_us < limit.fill_us:
                break
            del table[owner]
        return len(table) < self._buckets_max


@lru_cache(maxsize=4096)
def _network(address: str) -> str:
    """Return whose credits an address spends; all that are no addresses share one bucket."""
    try:
        parsed = ipaddress.ip_address(address)
    except ValueError:
        return "unknown"
    if isinstance(parsed, ipaddress.IPv4Address):
        return str(parsed)
    if parsed.ipv4_mapped is not None:
        return str(parsed.ipv4_mapped)
    return f"{int(parsed) >> 64:x}/64"


def _never(cost: int, limit: Limit) -> AccessError:
    return AccessError(
        "ACCS-E41",
        "the cost can never be paid",
        rule=f"a request costs 0 to {limit.burst} credits, the burst of who asks",
        cure="ask for less at once",
        cost=cost,
    )
