"""The recorded, really signed updates, where the files are at hand: every check gives what was recorded."""

from __future__ import annotations

import base64
import gzip
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from steelyard.feeds.live.oracles.pyth import (
    decode_price,
    merkle_root,
    parse_update,
    read_update,
    verify_update,
)
from steelyard.feeds.live.oracles.wormhole import (
    Emitter,
    GuardianSet,
    Trust,
    recover_signers,
    verify_vaa,
)
from steelyard.quantities import InputError

PYTHNET = Emitter(26, "e101faedac5851e32b9b23b5f9411a8c2bac4aae3ed4dd7b811dd1a72ea4aa71")
GUARDIANS = 19


@pytest.fixture(scope="module")
def records(market_data: Path) -> list[dict[str, Any]]:
    path = market_data / "raw_messages" / "pyth_hermes_updates.jsonl.gz"
    if not path.is_file():
        pytest.skip(f"no recorded updates at {path}")
    with gzip.open(path) as lines:
        return [json.loads(line) for line in lines]


@pytest.fixture(scope="module")
def recovered(market_data: Path) -> dict[str, dict[str, dict[str, Any]]]:
    """Address of each guardian, and how many updates agree on it."""
    path = market_data / "raw_messages" / "wormhole_guardian_addresses_recovered.json"
    if not path.is_file():
        pytest.skip(f"no recovered addresses at {path}")
    document: dict[str, dict[str, dict[str, Any]]] = json.loads(path.read_text(encoding="utf-8"))
    return document


def trust_of(recovered: dict[str, dict[str, dict[str, Any]]], seen_at_least: int) -> Trust:
    """The sets as far as so many updates agree; the other guardians' addresses are not known."""
    sets = []
    for index, guardians in recovered.items():
        addresses = [""] * GUARDIANS
        for number, found in guardians.items():
            if found["seen"] >= seen_at_least:
                addresses[int(number)] = found["address"]
        sets.append(GuardianSet(int(index), tuple(addresses), source="recovered from updates"))
    return Trust((PYTHNET,), tuple(sets))


def pairs(records: list[dict[str, Any]]) -> Iterator[tuple[dict[str, Any], bytes, int]]:
    for record in records:
        data = base64.b64decode(record["data_base64"])
        yield record, data, (record["vaa_time"] + 1) * 1_000_000


def test_PYTH_020_every_recorded_update_is_read_as_recorded(records: list[dict[str, Any]]) -> None:
    assert len(records) == 22
    for record, data, _ in pairs(records):
        update = parse_update(data)  # which is `consumed`: nothing is left over
        assert record["consumed"]
        assert len(data) == record["size"]
        assert update.vaa.guardian_set == record["guardian_set"]
        assert len(update.vaa.signatures) == record["n_sig"]
        assert update.vaa.timestamp_s == record["vaa_time"]
        assert update.vaa.emitter.chain == record["emitter_chain"]
        assert update.vaa.emitter.address == record["emitter"]
        for each, stated in zip(update.messages, record["updates"], strict=True):
            if "feed" not in stated:
                assert each.message[0] == stated["type"]
                continue
            price = decode_price(each.message)
            assert price.feed == stated["feed"]
            assert (price.price, price.confidence) == (stated["price"], stated["conf"])
            assert (price.exponent, price.publish_time_s) == (
                stated["expo"],
                stated["publish_time"],
            )


def test_PYTH_020_one_byte_left_over_is_refused_in_each(records: list[dict[str, Any]]) -> None:
    for _, data, _ in pairs(records):
        with pytest.raises(InputError, match="PYTH-E01"):
            parse_update(data + b"\x00")


def test_PYTH_020_proofs_hold_and_fail_as_recorded(records: list[dict[str, Any]]) -> None:
    outcomes = []
    for record, data, _ in pairs(records):
        update = parse_update(data)
        holds = all(
            merkle_root(each.message, each.proof) == update.root for each in update.messages
        )
        assert holds is record["merkle_ok"]
        outcomes.append(holds)
    assert outcomes.count(False) == 1


def test_PYTH_020_signers_are_the_recorded_ones(
    records: list[dict[str, Any]], recovered: dict[str, dict[str, dict[str, Any]]]
) -> None:
    trust = trust_of(recovered, seen_at_least=2)
    known = []
    for record, data, _ in pairs(records):
        vaa = parse_update(data).vaa
        guardians = trust.guardian_set(vaa.guardian_set)
        assert guardians is not None
        signers = recover_signers(vaa)
        assert all(signers) is record["sig_recovered"]
        known.append(
            sum(
                address == guardians.addresses[each.guardian]
                for each, address in zip(vaa.signatures, signers, strict=True)
            )
        )
        assert known[-1] == record["signers_match_majority"]
    assert (known.count(13), known.count(12)) == (21, 1)


def test_PYTH_020_all_but_two_are_believed_by_what_several_updates_agree_on(
    records: list[dict[str, Any]], recovered: dict[str, dict[str, dict[str, Any]]]
) -> None:
    trust = trust_of(recovered, seen_at_least=2)
    refused = []
    for record, data, now_us in pairs(records):
        try:
            prices = read_update(data, trust, now_us)
        except InputError as error:
            refused.append((error.code, record["merkle_ok"], record["signers_match_majority"]))
            continue
        assert len(prices) == sum("feed" in stated for stated in record["updates"])
    assert sorted(refused) == [("PYTH-E02", True, 12), ("PYTH-E03", False, 13)]


def test_PYTH_020_the_signer_seen_once_is_refused_only_for_want_of_a_second_witness(
    records: list[dict[str, Any]], recovered: dict[str, dict[str, dict[str, Any]]]
) -> None:
    trust = trust_of(recovered, seen_at_least=1)
    for record, data, now_us in pairs(records):
        update = parse_update(data)
        verify_vaa(update.vaa, trust, now_us)
        if record["merkle_ok"]:
            verify_update(update, trust, now_us)


def test_PYTH_020_a_set_of_another_number_or_past_its_expiry_believes_none(
    records: list[dict[str, Any]], recovered: dict[str, dict[str, dict[str, Any]]]
) -> None:
    trust = trust_of(recovered, seen_at_least=1)
    old = Trust(
        trust.emitters,
        tuple(GuardianSet(each.index, each.addresses, 1) for each in trust.guardian_sets),
    )
    swapped = Trust(
        trust.emitters,
        tuple(GuardianSet(7 - each.index, each.addresses) for each in trust.guardian_sets),
    )
    for _, data, now_us in pairs(records):
        with pytest.raises(InputError, match="PYTH-E04"):
            read_update(data, old, now_us)
    codes = set()
    for _, data, now_us in pairs(records):
        try:
            read_update(data, swapped, now_us)
        except InputError as error:
            codes.add(error.code)
    assert "PYTH-E02" in codes
