"""Nonces seen: a signed request is served once.

A nonce is kept until its request's timestamp leaves the window, since from then on the time alone
refuses it; the oldest go first. A cache that is full of nonces still needed refuses new ones: to
forget one would let it be replayed.
"""

from __future__ import annotations

import heapq

from steelyard.service.access.errors import AccessError

WINDOW_US = 5_000_000
ENTRIES_MAX = 200_000
ENTRIES_PER_KEY_MAX = 20_000


class ReplayCache:
    """The nonces of each key, within a window of time and two bounds.

    window_us: how far a timestamp may be from now. entries_max, entries_per_key_max: how many nonces
    are kept, of all keys and of one: at 20,000 a key can send 2,000 signed requests a second.

    >>> cache = ReplayCache()
    >>> cache.admit("key", "nonce", 1_000_000, 1_000_000)
    >>> len(cache)
    1
    """

    def __init__(
        self,
        *,
        window_us: int = WINDOW_US,
        entries_max: int = ENTRIES_MAX,
        entries_per_key_max: int = ENTRIES_PER_KEY_MAX,
    ) -> None:
        self.window_us = window_us
        self._entries_max = entries_max
        self._entries_per_key_max = entries_per_key_max
        self._nonces: dict[str, set[str]] = {}
        self._by_age: list[tuple[int, str, str]] = []
        self._forgotten_us = -1

    def __len__(self) -> int:
        return len(self._by_age)

    def check_time(self, sent_us: int, time_us: int) -> None:
        """Raise ACCS-E21 if a timestamp is outside the window, whose bounds count as inside.

        A clock that was set back does not open what was forgotten: a timestamp no later than the last
        one forgotten is refused too.
        """
        if abs(time_us - sent_us) <= self.window_us and sent_us > self._forgotten_us:
            return
        raise AccessError(
            "ACCS-E21",
            "the timestamp is too far from the service's time",
            rule=f"a signed request is sent within {self.window_us} microseconds of its timestamp",
            cure="set the clock (public/get_time tells ours) and sign each request when it is sent",
            timestamp_us=sent_us,
            time_us=time_us,
        )

    def admit(self, key_id: str, nonce: str, sent_us: int, time_us: int) -> None:
        """Keep the nonce of a proven request.

        Call it after the proof, so that nobody else can use a key's nonces up. Errors: ACCS-E21;
        ACCS-E23 if the nonce was seen; ACCS-E24 if no more can be kept, which ends by itself within
        twice the window.
        """
        self.check_time(sent_us, time_us)
        self._forget(time_us)
        seen = self._nonces.get(key_id)
        if seen is not None and nonce in seen:
            raise AccessError(
                "ACCS-E23",
                "the nonce was used before",
                rule="a key uses a nonce once within the window",
                cure="draw a new nonce for each request and sign it anew; never send one twice",
                key=key_id,
            )
        if len(self._by_age) >= self._entries_max or (
            seen is not None and len(seen) >= self._entries_per_key_max
        ):
            raise AccessError(
                "ACCS-E24",
                "no more signed requests can be told from replays",
                rule="the nonces of the last seconds are kept, up to a bound",
                cure="wait some seconds; use an access token for many requests a second",
                key=key_id,
            )
        self._nonces.setdefault(key_id, set()).add(nonce)
        heapq.heappush(self._by_age, (sent_us, key_id, nonce))

    def _forget(self, time_us: int) -> None:
        while self._by_age and self._by_age[0][0] + self.window_us < time_us:
            sent_us, key_id, nonce = heapq.heappop(self._by_age)
            self._forgotten_us = max(self._forgotten_us, sent_us)
            seen = self._nonces[key_id]
            seen.discard(nonce)
            if not seen:
                del self._nonces[key_id]
