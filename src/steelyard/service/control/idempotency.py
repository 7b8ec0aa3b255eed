"""Idempotency keys: a write that is sent twice is done once, and answered twice alike.

A write is known by who sent it, its route and its key. While the first is at work a second one is refused;
afterwards it gets the stored answer. What is stored is every answer of a write that began, refusals of the
engine included. Fields that do not fit are mended under the same key, and after a 503 nothing was done: neither
is stored. Answers are kept for a day, the newest so many of each person: who floods, forgets its own.
"""

from __future__ import annotations

import hashlib
from collections import OrderedDict
from typing import NamedTuple

from steelyard.quantities.errors import InputError

LIFE_US = 24 * 3600 * 1_000_000
KEPT_MAX = 4_096


class Stored(NamedTuple):
    """An answer as it was told."""

    status: int
    body: bytes
    media_type: str


class _Entry:
    """One write: the digest of what was asked, since when, and the answer once there is one."""

    __slots__ = ("answer", "digest", "since_us")

    def __init__(self, digest: bytes, since_us: int) -> None:
        self.digest = digest
        self.since_us = since_us
        self.answer: Stored | None = None


class Idempotency:
    """The writes of all who write. Used from the loop's thread alone.

    >>> kept = Idempotency()
    >>> kept.begin("desk", "openAccount", "k1", b"body", 0) is None
    True
    >>> kept.finish("desk", "openAccount", "k1", Stored(201, b"{}", "application/json"))
    >>> kept.begin("desk", "openAccount", "k1", b"body", 5).status
    201
    """

    def __init__(self, *, life_us: int = LIFE_US, kept_max: int = KEPT_MAX) -> None:
        self._life_us = life_us
        self._kept_max = kept_max
        self._of: dict[str, OrderedDict[tuple[str, str], _Entry]] = {}

    def __len__(self) -> int:
        return sum(map(len, self._of.values()))

    def begin(self, person: str, route: str, key: str, asked: bytes, time_us: int) -> Stored | None:
        """Return the stored answer of a write, or None: then it begins now and has to be ended.

        asked: all that was asked for (verb, path, query and body). Errors: PLAN-E07, PLAN-E08, PLAN-E16.
        """
        own = self._of.setdefault(person, OrderedDict())
        self._forget(own, time_us)
        digest = hashlib.blake2b(asked, digest_size=32).digest()
        entry = own.get((route, key))
        if entry is None:
            self._make_room(own)
            own[route, key] = _Entry(digest, time_us)
            return None
        if entry.digest != digest:
            raise InputError(
                "PLAN-E07", "the idempotency key was used for another request",
                rule="a key stands for one request of a route",
                cure="draw a new key for each request", field="Idempotency-Key",
            )  # fmt: skip
        if entry.answer is None:
            raise InputError(
                "PLAN-E08", "the request of this idempotency key is still at work",
                rule="a request is done once", cure="ask again in a moment", field="Idempotency-Key",
            )  # fmt: skip
        return entry.answer

    def finish(self, person: str, route: str, key: str, answer: Stored | None) -> None:
        """Keep the answer of a write; None for one that was not begun or not done: it is forgotten."""
        own = self._of[person]
        if answer is None:
            del own[route, key]
        else:
            own[route, key].answer = answer

    def _forget(self, own: OrderedDict[tuple[str, str], _Entry], time_us: int) -> None:
        """Drop what is older than its life, but for what is at work."""
        while own:
            entry = next(iter(own.values()))
            if entry.answer is None or time_us - entry.since_us < self._life_us:
                return
            own.popitem(last=False)

    def _make_room(self, own: OrderedDict[tuple[str, str], _Entry]) -> None:
        if len(own) < self._kept_max:
            return
        done = next((name for name, entry in own.items() if entry.answer is not None), None)
        if done is None:
            raise InputError(
                "PLAN-E16", f"{len(own)} requests of this key are at work",
                rule=f"a key has at most {self._kept_max} requests at work",
                cure="wait for some answers",
            )  # fmt: skip
        del own[done]
