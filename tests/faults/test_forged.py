"""Signatures forged for real: what does not verify never becomes a price, and its source says so."""

from __future__ import annotations

import json
import struct

import pytest

pytest.importorskip("coincurve")
pytest.importorskip("Crypto")

from steelyard.feeds.live.messages import OraclePrice, Status
from steelyard.feeds.live.oracles.hermes import HermesReader, as_status
from steelyard.feeds.live.oracles.pyth import read_update, to_message
from steelyard.feeds.live.oracles.wormhole import read_trust
from steelyard.quantities import InputError
from steelyard.ticks import SourceStatus
from tests.faults.stage import Clerk, Speaker, opened
from tests.faults.words import SECOND_US, START_US, Word
from tests.support.pyth import BTC, NOW_S, Attester, hermes_document, price_message, update

GUARDIANS, STRANGERS = Attester(), Attester(first_key=40)
TRUST = read_trust(GUARDIANS.document())
OFFSET_US = START_US - NOW_S * SECOND_US
SPEAKERS = (Speaker("pyth", "network", 1), Speaker("a", "one", 1), Speaker("b", "two", 1))


def signed(price: int, at_s: int, by: Attester = GUARDIANS) -> bytes:
    message = price_message(BTC, price * 10**8, 10**9, publish_s=NOW_S + at_s)
    return update(by, [message], slot=1_000 + at_s, time_s=NOW_S + at_s)


def forgeries(at_s: int) -> list[bytes]:
    """A stranger's signatures, one bit of the price, one bit of a signature, another price under the root."""
    true, lie = signed(100_000, at_s), signed(1, at_s, STRANGERS)
    told = struct.pack(">q", 100_000 * 10**8)
    other = true.replace(told, struct.pack(">q", 10**8))
    head = true.index(b"\x00" + BTC) - 1
    bent = bytearray(true)
    bent[head - 40] ^= 1
    broken = bytearray(true)
    broken[40] ^= 1
    assert other != true
    return [lie, other, bytes(bent), bytes(broken)]


def enter(clerk: Clerk, message: OraclePrice | Status, at_us: int) -> None:
    """Let what a feed said become an event, as the driver does."""
    if isinstance(message, OraclePrice):
        word = Word(at_us, message.exchange_time_us + OFFSET_US, "pyth", message.price)
        clerk.say("BTC", word)
        return
    clerk.send(SourceStatus, at_us, "pyth", "BTC", message.kind, message.reason[:400], at_us)


@pytest.mark.parametrize("which", range(4))
def test_FALT_009_a_forged_update_is_no_price_and_its_source_is_out(which: int) -> None:
    clerk = opened({"BTC": SPEAKERS})
    market = clerk.engine.market
    for name in ("a", "b"):
        clerk.say("BTC", Word(START_US, START_US, name, 100_000.0))
    reader = HermesReader(TRUST, [BTC.hex()])

    def receive(blob: bytes, at_s: int) -> OraclePrice | Status:
        document = json.dumps(hermes_document([blob])).encode()
        try:
            (message,) = reader.receive(document, (NOW_S + at_s) * SECOND_US)
        except InputError as error:
            return as_status(error, BTC.hex())
        assert isinstance(message, (OraclePrice, Status))
        return message

    enter(clerk, receive(signed(99_990, 0), 0), START_US)
    assert market.indices[1].source("pyth").verdict == "used"
    with pytest.raises(InputError):
        read_update(forgeries(1)[which], TRUST, (NOW_S + 1) * SECOND_US)
    status = receive(forgeries(1)[which], 1)
    assert isinstance(status, Status)
    assert status.kind in ("unverified", "malformed")
    enter(clerk, status, START_US + SECOND_US)
    assert market.indices[1].source("pyth").verdict == status.kind
    assert market.index_price(1) == pytest.approx(100_000.0)
    assert not market.is_protected[1]


def test_FALT_009_the_four_forgeries_are_unverified() -> None:
    kinds = []
    for blob in forgeries(1):
        with pytest.raises(InputError) as caught:
            read_update(blob, TRUST, (NOW_S + 1) * SECOND_US)
        kinds.append(as_status(caught.value).kind)
    assert kinds == ["unverified"] * 4


def test_FALT_009_where_all_are_forged_the_asset_is_protected() -> None:
    clerk = opened({"BTC": SPEAKERS})
    market = clerk.engine.market
    for name in ("pyth", "a", "b"):
        clerk.say("BTC", Word(START_US, START_US, name, 100_000.0))
    assert not market.is_protected[1]
    for n, name in enumerate(("a", "pyth", "b")):
        at_us = START_US + SECOND_US + n
        clerk.send(SourceStatus, at_us, name, "BTC", "unverified", "by the test", at_us)
    assert market.is_protected[1]
    (price,) = read_update(signed(42, 2), TRUST, (NOW_S + 2) * SECOND_US)
    assert to_message(price).price == 42.0
