"""The mutants are the same for the same seed, are many, and reach what a parser looks at."""

from __future__ import annotations

import json

import pytest

from tests.support.mutation import anatomy, mutants

SEEDS = [
    b'{"e":"trade","s":"BTCUSDT","p":"64000.10","q":0.5,"T":1700000000000,"m":true,"x":null}',
    b'{"b":[["1","2"],["3","4"]],"u":7, "nested" : {"a" : [1, {"deep":-1.5e3}]}}',
    bytes(range(256)),
    b"",
]


def is_json(frame: bytes) -> bool:
    try:
        json.loads(frame)
    except (ValueError, RecursionError):
        return False
    return True


def test_mutants_are_the_same_for_the_same_seed_and_others_for_another() -> None:
    first, again, other = (list(mutants(SEEDS, 2_000, seed)) for seed in (5, 5, 6))
    assert first == again
    assert first != other
    assert len(first) == 2_000


def test_mutants_differ_and_reach_values_names_nesting_and_bytes() -> None:
    made = list(mutants(SEEDS[:2], 20_000, seed=7))
    assert len(set(made)) > 9_000
    assert sum(frame in SEEDS for frame in made) < 600
    whole = sum(map(is_json, made))
    assert 4_000 < whole < 12_000  # many pass the decoder and meet the checks behind it
    for piece in (
        b"1e400",
        b"NaN",
        b'"p":null',
        b'"p":[[',
        b'"u":"7"',
        b'"x":',
        b"[" * 1_000,
        b"\xff",
    ):
        assert any(piece in frame for frame in made), piece
    assert b"" in made
    assert any(b'"p"' not in frame and is_json(frame) and b"trade" in frame for frame in made)
    assert any(b"BTCUSDT" in frame and b"nested" in frame for frame in made)


def test_mutants_of_bytes_that_are_no_json() -> None:
    made = list(mutants([bytes(range(256)), b"\x1f\x8b" + bytes(range(40))], 5_000, seed=8))
    assert len(set(made)) > 4_000


def test_mutants_without_a_seed_are_refused() -> None:
    with pytest.raises(ValueError, match="no frame"):
        next(mutants([], 1, seed=0))


def test_mutants_know_values_names_and_members_with_spaces() -> None:
    frame = SEEDS[1]
    parts = anatomy(frame)
    assert [frame[a:b] for a, b in parts.names] == [b'"b"', b'"u"', b'"nested"', b'"a"', b'"deep"']
    members = {frame[a:b] for a, b in parts.members}
    assert {b'"u":7', b'"b":[["1","2"],["3","4"]]', b'"deep":-1.5e3'} <= members
    assert len(members) == 5
