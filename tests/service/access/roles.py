"""Who takes part in the tests of access: a random source, key files, a desk, an attacker."""

from __future__ import annotations

import hashlib
from pathlib import Path

from steelyard.service.access import Created, KeyRing, MasterKey, Rights, ScryptCost, create_key

NOW = 1_700_000_000_000_000
NOW_MS = NOW // 1000
CHEAP = ScryptCost(n=1 << 12)
MASTER = bytes(range(32))
PRIVATE = bytes(range(1, 33))


class Chance:
    """Random bytes that are the same in each run: the SHA-256 of a seed and a count."""

    def __init__(self, seed: str = "seed") -> None:
        self.seed = seed
        self.count = 0
        self.given: list[bytes] = []

    def __call__(self, count: int) -> bytes:
        found = b""
        while len(found) < count:
            self.count += 1
            found += hashlib.sha256(f"{self.seed} {self.count}".encode()).digest()
        self.given.append(found[:count])
        return found[:count]


def rights(**changes: object) -> Rights:
    fields = {
        "label": "desk",
        "scopes": ("read", "simulate", "trade"),
        "accounts": ("alice", "bob"),
        "expires_us": None,
    }
    return Rights(**(fields | changes))  # type: ignore[arg-type]


def secret_key(path: Path, chance: Chance, **changes: object) -> Created:
    return create_key(path, "secret", rights(**changes), time_us=NOW, random=chance, cost=CHEAP)


def hmac_key(path: Path, chance: Chance, **changes: object) -> Created:
    return create_key(
        path, "hmac", rights(**changes), time_us=NOW, random=chance, master=MasterKey(MASTER)
    )


def ed25519_key(path: Path, chance: Chance, private: bytes = PRIVATE, **changes: object) -> Created:
    from steelyard.terms.documents.signing import public_key

    return create_key(
        path,
        "ed25519",
        rights(**changes),
        time_us=NOW,
        random=chance,
        public_key=public_key(private),
    )


def ring_of(*created: Created, chance: Chance | None = None) -> KeyRing:
    keys = [one.key for one in created]
    return KeyRing(keys, random=chance or Chance("ring"), master=MasterKey(MASTER))


def revealed(created: Created) -> str:
    assert created.secret is not None
    return created.secret.reveal()
