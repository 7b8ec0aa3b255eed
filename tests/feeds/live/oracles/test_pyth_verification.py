"""What our own guardians sign is believed, and nothing else is: attestations, proofs, prices."""

from __future__ import annotations

import struct
from contextlib import suppress
from fractions import Fraction

import coincurve
import pytest

from steelyard.feeds.live.messages import OraclePrice
from steelyard.feeds.live.oracles.pyth import (
    decode_price,
    merkle_root,
    parse_update,
    read_update,
    scaled,
    to_message,
)
from steelyard.feeds.live.oracles.signatures import keccak256, recover_address
from steelyard.feeds.live.oracles.wormhole import (
    GuardianSet,
    Trust,
    parse_vaa,
    read_trust,
    recover_signers,
    verify_vaa,
)
from steelyard.quantities import InputError
from tests.support.pyth import (
    BTC,
    EMITTER,
    EMITTER_CHAIN,
    ETH,
    NOW_S,
    NOW_US,
    SOL,
    Attester,
    address,
    assembled,
    hashed,
    key,
    price_message,
    root_payload,
    sign,
    tree,
    update,
)

ATTESTER = Attester()
TRUST = read_trust(ATTESTER.document())
GROUP_ORDER = 0xFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFEBAAEDCE6AF48A03BBFD25E8CD0364141


def refusal(data: bytes, trust: Trust = TRUST, now_us: int = NOW_US, **where: object) -> InputError:
    with pytest.raises(InputError) as caught:
        read_update(data, trust, now_us, **where)  # type: ignore[arg-type]
    return caught.value


# ---- hashes and signatures


def test_PYTH_001_keccak_is_the_hash_before_the_standard_changed_it() -> None:
    empty = "c5d2460186f7233c927e7db2dcc703c0e500b653ca82273b7bfad8045d85a470"
    assert keccak256(b"").hex() == empty
    assert keccak256(b"a" * 136) == hashed(b"a" * 136)


def test_PYTH_001_an_address_is_recovered_from_a_signature_and_a_digest() -> None:
    digest = keccak256(b"anything")
    assert recover_address(digest, sign(key(3), digest)) == bytes.fromhex(address(key(3)))
    assert recover_address(keccak256(b"another"), sign(key(3), digest)) != bytes.fromhex(
        address(key(3))
    )


@pytest.mark.parametrize(
    "broken",
    [
        bytes(65),
        GROUP_ORDER.to_bytes(32) + b"\x01" * 33,
        b"\x01" * 32 + GROUP_ORDER.to_bytes(32) + b"\x00",
        b"\xff" * 64 + b"\x00",
        b"\x01" * 64,
        b"\x01" * 66,
        b"",
    ],
)
def test_PYTH_001_what_no_key_can_have_signed_recovers_to_nobody(broken: bytes) -> None:
    assert recover_address(keccak256(b"x"), broken) is None


def test_PYTH_001_a_recovery_id_above_one_is_nobody() -> None:
    digest = keccak256(b"x")
    signature = sign(key(1), digest)
    for recovery_id in (2, 3, 4, 27, 28, 255):
        assert recover_address(digest, signature[:64] + bytes((recovery_id,))) is None
    assert recover_address(b"short", signature) is None


def test_PYTH_001_ids_two_and_three_are_nobody_even_where_a_key_comes_out() -> None:
    digest = keccak256(b"x")
    found = 0
    for r in range(1, 40):  # so small that r plus the group order is a coordinate as well
        for recovery_id in (2, 3):
            signature = r.to_bytes(32) + b"\x01" * 32 + bytes((recovery_id,))
            with suppress(ValueError):
                coincurve.PublicKey.from_signature_and_message(signature, digest, hasher=None)
                found += 1
            assert recover_address(digest, signature) is None
    assert found > 10


# ---- attestations


def test_PYTH_002_every_field_of_an_attestation_is_read() -> None:
    vaa = parse_vaa(ATTESTER.vaa(b"payload", signers=[0, 2, 6]))
    assert (vaa.guardian_set, vaa.timestamp_s, vaa.nonce) == (7, NOW_S, 0)
    assert (vaa.emitter.chain, vaa.emitter.address) == (EMITTER_CHAIN, EMITTER.hex())
    assert (vaa.sequence, vaa.consistency_level, vaa.payload) == (99, 1, b"payload")
    assert [each.guardian for each in vaa.signatures] == [0, 2, 6]
    body = struct.pack(">IIH32sQB", NOW_S, 0, 26, EMITTER, 99, 1) + b"payload"
    assert vaa.digest == hashed(hashed(body))
    assert recover_signers(vaa) == tuple(ATTESTER.addresses[number] for number in (0, 2, 6))


def test_PYTH_002_every_cut_of_an_attestation_is_malformed() -> None:
    whole = ATTESTER.vaa(b"")
    assert parse_vaa(whole).payload == b""
    for length in range(len(whole)):
        with pytest.raises(InputError) as caught:
            parse_vaa(whole[:length])
        assert caught.value.code == "PYTH-E01"


@pytest.mark.parametrize("version", [0, 2, 255])
def test_PYTH_002_another_version_is_malformed(version: int) -> None:
    with pytest.raises(InputError, match="PYTH-E01"):
        parse_vaa(bytes((version,)) + ATTESTER.vaa(b"")[1:])


@pytest.mark.parametrize(
    ("size", "quorum"), [(1, 1), (2, 2), (3, 3), (4, 3), (5, 4), (6, 5), (7, 5), (13, 9), (19, 13)]
)
def test_PYTH_003_two_thirds_rounded_down_plus_one_have_to_sign(size: int, quorum: int) -> None:
    attester = Attester(size=size)
    trust = read_trust(attester.document())
    assert trust.guardian_sets[0].signatures_needed == quorum
    verify_vaa(parse_vaa(attester.vaa(b"", signers=range(quorum))), trust, NOW_US)
    with pytest.raises(InputError) as caught:
        verify_vaa(parse_vaa(attester.vaa(b"", signers=range(quorum - 1))), trust, NOW_US)
    assert caught.value.code == "PYTH-E02"
    assert caught.value.where == {"signatures": quorum - 1, "needed": quorum}


def test_PYTH_003_a_stated_quorum_takes_the_place_of_two_thirds() -> None:
    routers = Attester(index=0, size=5)
    trust = read_trust(routers.document(quorum=3))
    message = price_message()
    assert len(read_update(update(routers, [message], signers=[0, 2, 4]), trust, NOW_US)) == 1
    assert refusal(update(routers, [message], signers=[0, 2]), trust).code == "PYTH-E02"
    assert (
        refusal(update(routers, [message], signers=[0, 2, 4]), read_trust(routers.document())).code
        == "PYTH-E02"
    )


def test_PYTH_004_more_signatures_than_needed_all_have_to_hold() -> None:
    verify_vaa(parse_vaa(ATTESTER.vaa(b"", signers=range(7))), TRUST, NOW_US)
    stranger = Attester(first_key=50)
    mixed = Attester()
    mixed.keys = [*ATTESTER.keys[:6], stranger.keys[0]]
    error = refusal(update(mixed, [price_message()], signers=range(7)))
    assert error.code == "PYTH-E02"
    assert error.where["guardian"] == 6
    assert error.where["recovered"] == stranger.addresses[0]


def test_PYTH_004_a_forged_signature_refuses_the_update() -> None:
    sound = update(ATTESTER, [price_message()])
    start = sound.index(struct.pack(">BIB", 1, 7, 5)) + 6
    for number in range(5):
        for place in (1, 30, 64):  # the guardian's index stands before, the recovery id behind
            at = start + 66 * number + place
            forged = sound[:at] + bytes((sound[at] ^ 1,)) + sound[at + 1 :]
            assert refusal(forged).code == "PYTH-E02"


def test_PYTH_004_a_changed_body_refuses_the_update() -> None:
    sound = update(ATTESTER, [price_message()])
    body = sound.index(struct.pack(">I", NOW_S) + bytes(4))
    sequence = body + 42
    changed = sound[:sequence] + bytes((sound[sequence] ^ 1,)) + sound[sequence + 1 :]
    assert refusal(changed).code == "PYTH-E02"


def test_PYTH_004_swapped_indices_are_no_signatures() -> None:
    message = price_message()
    swapped = update(ATTESTER, [message], signers=[1, 0, 2, 3, 4], names=[0, 1, 2, 3, 4])
    assert refusal(swapped).where["guardian"] == 0
    shifted = update(ATTESTER, [message], signers=[0, 1, 2, 3, 4], names=[0, 1, 2, 3, 5])
    assert refusal(shifted).code == "PYTH-E02"


@pytest.mark.parametrize("names", [[0, 0, 1, 2, 3], [0, 1, 2, 3, 3], [1, 0, 2, 3, 4]])
def test_PYTH_005_a_guardian_counts_once_and_indices_rise(names: list[int]) -> None:
    error = refusal(update(ATTESTER, [price_message()], signers=names))
    assert error.code == "PYTH-E02"
    assert "rise" in str(error)


def test_PYTH_005_there_is_no_guardian_beyond_the_set() -> None:
    bigger = Attester(size=8)
    assert refusal(update(bigger, [price_message()], signers=[0, 1, 2, 3, 7])).code == "PYTH-E02"


def test_PYTH_005_a_guardian_without_a_known_address_cannot_sign() -> None:
    addresses = ["", *ATTESTER.addresses[1:]]
    trust = read_trust(ATTESTER.document(addresses=addresses))
    assert trust.guardian_sets[0].signatures_needed == 5
    message = price_message()
    assert refusal(update(ATTESTER, [message]), trust).code == "PYTH-E02"
    assert read_update(update(ATTESTER, [message], signers=[1, 2, 3, 4, 5]), trust, NOW_US)


def test_PYTH_005_a_signature_of_nobody_is_not_the_guardian_without_an_address() -> None:
    trust = read_trust(ATTESTER.document(addresses=["", *ATTESTER.addresses[1:]]))
    sound = update(ATTESTER, [price_message()])
    start = sound.index(struct.pack(">BIB", 1, 7, 5)) + 7
    assert refusal(sound[:start] + bytes(65) + sound[start + 65 :], trust).code == "PYTH-E02"


def test_PYTH_006_an_unknown_guardian_set_is_named() -> None:
    error = refusal(update(ATTESTER, [price_message()], index=8))
    assert (error.code, error.where["guardian_set"]) == ("PYTH-E04", 8)


def test_PYTH_006_an_old_set_is_refused_after_its_last_second() -> None:
    trust = read_trust(ATTESTER.document(expires_at_s=NOW_S))
    sound = update(ATTESTER, [price_message()])
    assert len(read_update(sound, trust, NOW_US)) == 1
    assert refusal(sound, trust, NOW_US + 1).code == "PYTH-E04"


def test_PYTH_006_the_old_and_the_new_set_hold_side_by_side() -> None:
    newer = Attester(index=8, first_key=30)
    both = Trust(
        TRUST.emitters, (*TRUST.guardian_sets, *read_trust(newer.document()).guardian_sets)
    )
    for attester in (ATTESTER, newer):
        assert len(read_update(update(attester, [price_message()]), both, NOW_US)) == 1
    assert refusal(update(newer, [price_message()], index=7), both).code == "PYTH-E02"


@pytest.mark.parametrize("change", [{"chain": 1}, {"emitter": bytes(32)}])
def test_PYTH_006_another_emitter_is_refused(change: dict[str, object]) -> None:
    assert refusal(update(ATTESTER, [price_message()], **change)).code == "PYTH-E04"


# ---- the trust document


@pytest.mark.parametrize(
    "change",
    [
        {"addresses": []},
        {"addresses": ["00" * 20]},
        {"addresses": ["12"]},
        {"addresses": ["zz" * 20]},
        {"addresses": ["12" * 20, "0X" + "12" * 20]},
        {"addresses": ["", "", "12" * 20]},
        {"addresses": ["12" * 20] * 256},
        {"index": -1},
        {"index": 2**32},
        {"expires_at_s": -1},
        {"quorum": 3},
        {"quorum": 8},
        {"quorum": -1},
        {"quorums": 5},
        {"index": "seven"},
    ],
)
def test_PYTH_007_a_trust_document_that_breaks_a_rule_is_refused(
    change: dict[str, object],
) -> None:
    with pytest.raises(InputError) as caught:
        read_trust(ATTESTER.document(**change))
    assert caught.value.code == "PYTH-E08"


@pytest.mark.parametrize(
    "document",
    [
        "",
        "[[emitters",
        'emitters = []\nguardian_sets = [{index = 1, addresses = ["' + "12" * 20 + '"]}]',
        "[[emitters]]\nchain = 26\naddress = '" + "12" * 32 + "'\n[[guardian_sets]]\nindex = 1",
    ],
)
def test_PYTH_007_a_document_without_its_parts_is_refused(document: str) -> None:
    with pytest.raises(InputError, match="PYTH-E08"):
        read_trust(document)


def test_PYTH_007_a_quorum_of_half_the_set_is_refused() -> None:
    six = Attester(size=6)
    assert read_trust(six.document(quorum=4)).guardian_sets[0].signatures_needed == 4
    with pytest.raises(InputError, match="PYTH-E08"):
        read_trust(six.document(quorum=3))


def test_PYTH_007_one_set_twice_and_a_bad_emitter_are_refused() -> None:
    rows = ATTESTER.document().split("\n\n")[1]
    with pytest.raises(InputError, match="PYTH-E08"):
        read_trust(ATTESTER.document() + rows)
    with pytest.raises(InputError, match="PYTH-E08"):
        read_trust(ATTESTER.document().replace("chain = 26", "chain = 65536"))
    with pytest.raises(InputError, match="PYTH-E08"):
        read_trust(ATTESTER.document().replace(EMITTER.hex(), EMITTER.hex()[2:]))


def test_PYTH_007_spelling_of_addresses_does_not_matter() -> None:
    spelt = ["0x" + each.upper() for each in ATTESTER.addresses]
    assert read_trust(ATTESTER.document(addresses=spelt)) == TRUST


def test_PYTH_007_nothing_is_trusted_that_no_document_names() -> None:
    with pytest.raises(TypeError):
        Trust()  # type: ignore[call-arg]
    with pytest.raises(TypeError):
        GuardianSet(4)  # type: ignore[call-arg]


# ---- updates


def test_PYTH_010_a_sound_update_gives_its_prices_in_order() -> None:
    messages = [price_message(feed) for feed in (BTC, ETH, SOL)]
    prices = read_update(update(ATTESTER, messages), TRUST, NOW_US)
    assert [each.feed for each in prices] == [BTC.hex(), ETH.hex(), SOL.hex()]
    first = prices[0]
    assert (first.price, first.confidence, first.exponent) == (7_153_447_000_000, 3_636_174_450, -8)
    assert (first.publish_time_s, first.previous_publish_time_s) == (NOW_S, NOW_S - 1)
    assert (first.average_price, first.average_confidence) == (7_150_000_000_000, 3_600_000_000)


@pytest.mark.parametrize("count", [1, 2, 3, 4, 5, 8, 13, 100, 255])
def test_PYTH_010_trees_of_any_size_are_proven(count: int) -> None:
    messages = [price_message(bytes(28) + number.to_bytes(4)) for number in range(count)]
    root, proofs = tree(messages)
    assert all(
        merkle_root(message, proof) == root for message, proof in zip(messages, proofs, strict=True)
    )
    assert len(read_update(update(ATTESTER, messages), TRUST, NOW_US)) == count


def test_PYTH_010_what_later_versions_add_is_left_out() -> None:
    message = price_message() + b"more fields"
    root, proofs = tree([message])
    vaa = ATTESTER.vaa(root_payload(root) + b"more")
    later = assembled(vaa, [message], proofs, trailing=b"header fields")
    later = later[:5] + b"\x09" + later[6:]  # a later minor version
    assert read_update(later, TRUST, NOW_US)[0].price == 7_153_447_000_000


def test_PYTH_010_messages_of_another_kind_are_proven_and_left_out() -> None:
    average = b"\x01" + bytes(100)
    messages = [average, price_message()]
    assert len(read_update(update(ATTESTER, messages), TRUST, NOW_US)) == 1
    root, proofs = tree(messages)
    proofs[0][0] = bytes(20)
    assert refusal(assembled(ATTESTER.vaa(root_payload(root)), messages, proofs)).code == "PYTH-E03"


def test_PYTH_011_one_byte_more_is_malformed() -> None:
    sound = update(ATTESTER, [price_message(), price_message(ETH)])
    error = refusal(sound + b"\x00")
    assert (error.code, error.where["left_over"]) == ("PYTH-E01", 1)


def test_PYTH_011_every_cut_of_an_update_is_malformed() -> None:
    sound = update(ATTESTER, [price_message(), price_message(ETH)])
    for length in range(len(sound)):
        assert refusal(sound[:length]).code == "PYTH-E01"


@pytest.mark.parametrize(
    ("at", "value"), [(0, b"PNAV"), (4, b"\x00"), (4, b"\x02"), (7, b"\x01"), (7, b"\xff")]
)
def test_PYTH_011_another_beginning_is_malformed(at: int, value: bytes) -> None:
    sound = update(ATTESTER, [price_message()])
    assert refusal(sound[:at] + value + sound[at + len(value) :]).code == "PYTH-E01"


@pytest.mark.parametrize("payload", [b"", b"AUWV", b"AUWW" + bytes(33), b"AUWV\x01" + bytes(32)])
def test_PYTH_011_a_signed_payload_that_is_no_root_is_malformed(payload: bytes) -> None:
    assert refusal(assembled(ATTESTER.vaa(payload), [], [])).code == "PYTH-E01"


def test_PYTH_011_an_update_above_a_mebibyte_is_not_looked_at() -> None:
    assert refusal(b"PNAU" + bytes(1_048_573)).where == {"length": 1_048_577}


def test_PYTH_012_every_broken_proof_refuses_the_update() -> None:
    messages = [price_message(bytes(31) + bytes((number,))) for number in range(6)]
    root, proofs = tree(messages)
    vaa = ATTESTER.vaa(root_payload(root))
    for number in range(6):
        for step in range(3):
            broken = [list(proof) for proof in proofs]
            broken[number][step] = bytes(20)
            error = refusal(assembled(vaa, messages, broken))
            assert (error.code, error.where["number"]) == ("PYTH-E03", number)
        for proof in (proofs[number][:2], [*proofs[number], bytes(20)], [], proofs[number][::-1]):
            broken = [list(proof) for proof in proofs]
            broken[number] = list(proof)
            assert refusal(assembled(vaa, messages, broken)).code == "PYTH-E03"


def test_PYTH_012_a_changed_price_is_not_under_the_root() -> None:
    root, proofs = tree([price_message(), price_message(ETH)])
    changed = [price_message(price=7_153_447_000_001), price_message(ETH)]
    assert refusal(assembled(ATTESTER.vaa(root_payload(root)), changed, proofs)).code == "PYTH-E03"


def test_PYTH_012_an_inner_node_is_no_message() -> None:
    messages = [price_message(bytes(31) + bytes((number,))) for number in range(4)]
    root, proofs = tree(messages)
    leaves = [hashed(b"\x00" + each)[:20] for each in messages]
    inner = b"".join(sorted(leaves[:2]))
    assert hashed(b"\x01" + inner)[:20] == proofs[2][1]
    for fake in (inner, b"\x01" + inner):
        forged = assembled(ATTESTER.vaa(root_payload(root)), [fake], [[proofs[0][1]]])
        assert refusal(forged).code == "PYTH-E03"


def test_PYTH_012_an_empty_proof_holds_only_for_a_tree_of_one() -> None:
    message = price_message()
    alone = assembled(ATTESTER.vaa(root_payload(hashed(b"\x00" + message)[:20])), [message], [[]])
    assert len(read_update(alone, TRUST, NOW_US)) == 1


def test_PYTH_013_a_feed_that_was_not_asked_for_is_refused() -> None:
    sound = update(ATTESTER, [price_message(BTC), price_message(ETH)])
    assert len(read_update(sound, TRUST, NOW_US, {BTC.hex(), ETH.hex()})) == 2
    error = refusal(sound, feeds={BTC.hex()})
    assert (error.code, error.where["feed"]) == ("PYTH-E05", ETH.hex())


def test_PYTH_014_numbers_are_scaled_once_and_exactly() -> None:
    for number, exponent in [(7_153_447_000_001, -8), (1, -32), (2**63 - 1, -18), (3, -1), (7, 5)]:
        exact = Fraction(number) * Fraction(10) ** exponent
        assert scaled(number, exponent) == float(exact)
    assert scaled(29_319_990_000_01, -10) == 293.1999000001
    assert 0.1 + 0.2 != scaled(3, -1) == 0.3  # never a sum or product of rounded parts


def test_PYTH_014_a_price_becomes_a_message_with_its_own_time() -> None:
    message = to_message(decode_price(price_message()))
    assert message == OraclePrice(
        market=BTC.hex(),
        price=71534.47,
        confidence=36.3617445,
        exchange_time_us=NOW_S * 1_000_000,
    )


@pytest.mark.parametrize("price", [0, -1, -(2**63)])
def test_PYTH_014_a_price_that_is_not_above_zero_is_no_message(price: int) -> None:
    with pytest.raises(InputError, match="PYTH-E01"):
        to_message(decode_price(price_message(price=price)))


@pytest.mark.parametrize(
    "change",
    [
        {"exponent": 33},
        {"exponent": -33},
        {"exponent": -(2**31)},
        {"publish_s": -1},
        {"publish_s": 2**62},
        {"previous_s": -5},
    ],
)
def test_PYTH_014_absurd_exponents_and_times_are_malformed(change: dict[str, int]) -> None:
    sound = update(ATTESTER, [price_message(**change)])
    assert refusal(sound).code == "PYTH-E01"


def test_PYTH_014_a_short_message_is_malformed_even_when_signed() -> None:
    assert refusal(update(ATTESTER, [price_message()[:84]])).code == "PYTH-E01"
    with pytest.raises(InputError, match="PYTH-E01"):
        decode_price(b"\x01" + price_message()[1:])


def test_PYTH_010_the_slot_of_the_root_is_read() -> None:
    assert parse_update(update(ATTESTER, [price_message()], slot=2**40)).slot == 2**40
