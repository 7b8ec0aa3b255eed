"""Events and their bytes: there and back, and nothing but listed errors for anything else."""

from __future__ import annotations

import random
from collections import Counter

import msgspec
import pytest
from hypothesis import given

from steelyard.quantities import InputError
from steelyard.ticks import Event, ParameterChange, check_event, decode_event, encode_event
from steelyard.ticks.codec import EVENT_BYTES_MAX, SCHEMA_VERSION
from tests.ticks.events import ANY_EVENT, EVENTS

MUTATIONS = 120_000


@pytest.mark.parametrize("name", sorted(EVENTS))
def test_TICK_001_every_kind_comes_back_as_it_was(name: str) -> None:
    event = EVENTS[name]
    check_event(event)
    back = decode_event(encode_event(event))
    assert type(back) is type(event)
    assert back == event


def test_TICK_001_the_sample_holds_every_kind() -> None:
    assert {kind.__name__ for kind in Event.__subclasses__()} == set(EVENTS)


@given(ANY_EVENT)
def test_TICK_001_any_event_comes_back_as_it_was(event: Event) -> None:
    check_event(event)
    data = encode_event(event)
    assert decode_event(data) == event
    assert encode_event(decode_event(data)) == data


def test_TICK_002_equal_events_have_equal_bytes() -> None:
    event = EVENTS["AccountsLoaded"]
    first, second = {"B": 1, "A": 2}, {"A": 2, "B": 1}
    one, two = (
        encode_event(
            msgspec.structs.replace(
                event, accounts=[msgspec.structs.replace(event.accounts[0], balances=balances)]
            )
        )
        for balances in (first, second)
    )
    assert one == two
    assert one[0] == SCHEMA_VERSION == 1


def test_TICK_002_another_schema_version_is_refused() -> None:
    data = encode_event(EVENTS["TimeTick"])
    for version in (0, 2, 255):
        with pytest.raises(InputError, match="TICK-E02"):
            decode_event(bytes([version]) + data[1:])


def mutated(rng: random.Random, samples: list[bytes]) -> bytes:
    """Return the bytes of an event after a few accidents."""
    data = bytearray(rng.choice(samples))
    for _ in range(rng.randint(1, 4)):
        at, kind = rng.randrange(len(data) + 1), rng.randrange(6)
        if kind == 0 and at < len(data):
            data[at] ^= 1 << rng.randrange(8)
        elif kind == 1 and at < len(data):
            data[at] = rng.choice(
                (0x00, 0x7F, 0x80, 0x90, 0xC0, 0xC1, 0xCB, 0xCF, 0xD9, 0xDF, 0xFF)
            )
        elif kind == 2:
            del data[at:]
        elif kind == 3:
            data[at:at] = data[: rng.randrange(20)]
        elif kind == 4:
            other = rng.choice(samples)
            data[at:] = other[rng.randrange(len(other)) :]
        else:
            data[at : at + 9] = b"\xcb" + rng.randbytes(8)
        if not data:
            data = bytearray(rng.randbytes(3))
    return bytes(data)


def test_TICK_003_no_bytes_raise_anything_but_a_listed_error() -> None:
    rng = random.Random(20251010)
    samples = [encode_event(event) for event in EVENTS.values()]
    seen: Counter[str] = Counter()
    for number in range(MUTATIONS):
        data = rng.randbytes(rng.randrange(40)) if number % 50 == 0 else mutated(rng, samples)
        try:
            event = decode_event(data)
        except InputError as error:
            seen[error.code] += 1
            continue
        try:
            check_event(event)
        except InputError as error:
            seen[error.code] += 1
            continue
        seen["accepted"] += 1
        data = encode_event(event)
        assert encode_event(decode_event(data)) == data  # a price may be no number
    usual = {f"TICK-E0{number}" for number in range(1, 6)} | {"accepted"}
    assert usual <= set(seen) <= usual | {"TICK-E06"}
    assert all(seen[code] > 10 for code in usual)


def test_TICK_003_depth_and_size_inside_an_event_are_no_trap() -> None:
    for data in (
        b"\x01" + b"\x91" * 100_000,
        b"\x01\xdd\xff\xff\xff\xff",
        b"\x01\xc6\xff\xff\xff\xff",
    ):
        with pytest.raises(InputError, match="TICK-E01"):
            decode_event(data)


def test_TICK_004_empty_and_huge_input_is_refused() -> None:
    for data in (b"", b"\x01", bytes(EVENT_BYTES_MAX + 1)):
        with pytest.raises(InputError, match="TICK-E01"):
            decode_event(data)


def test_TICK_012_text_that_is_not_unicode_is_refused() -> None:
    half = ParameterChange(1, "desk", 1, "underlying.BTC.range_ppm", "\ud800")
    with pytest.raises(InputError, match="TICK-E01"):
        encode_event(half)
