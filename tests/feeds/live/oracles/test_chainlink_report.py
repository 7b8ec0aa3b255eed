"""Reports of Chainlink Data Streams: the one encoding, the fields, the signatures."""

from __future__ import annotations

import coincurve
import pytest

from steelyard.feeds.live.oracles.chainlink_report import (
    KINDS,
    SCHEMAS,
    decode_report,
    decode_signed_report,
    oracle_set,
    signing_digest,
    why_unverified,
)
from steelyard.feeds.live.oracles.signatures import keccak256, recover_address
from steelyard.quantities import InputError
from tests.feeds.live.oracles.chainlink_published import JULY, SEPTEMBER
from tests.feeds.live.oracles.chainlink_reports import (
    CONFIG_DIGEST,
    E18,
    KEYS,
    OTHER_DIGEST,
    STRANGER,
    address,
    believed,
    encode,
    feed_id,
    full_report,
    report_bytes,
    sign,
)

ORDER = 0xFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFEBAAEDCE6AF48A03BBFD25E8CD0364141


def refused(raw: bytes) -> str:
    with pytest.raises(InputError) as caught:
        decode_signed_report(raw)
    return caught.value.code


def verdict(full: bytes, faults: int = 2) -> str:
    return why_unverified(decode_signed_report(full), {CONFIG_DIGEST: believed(faults=faults)})


def test_CHLK_010_the_parts_of_a_full_report() -> None:
    body = report_bytes()
    context = CONFIG_DIGEST + bytes(64)
    signatures = sign(body, KEYS, context)
    signed = decode_signed_report(encode(context, body, signatures))
    assert signed.context == context
    assert signed.report == body
    assert list(signed.signatures) == signatures
    assert signed.config_digest == CONFIG_DIGEST
    odd = decode_signed_report(encode(context, body + b"\x01", []))
    assert odd.report == body + b"\x01"
    assert odd.signatures == ()


def test_CHLK_010_every_other_encoding_is_refused() -> None:
    raw = full_report(report_bytes(ask=121_010 * E18 + 1))  # its last byte is not zero
    rs_at = int.from_bytes(raw[4 * 32 : 5 * 32]) // 32
    ss_at = int.from_bytes(raw[5 * 32 : 6 * 32]) // 32
    for word in (3, 4, 5, 7, rs_at, ss_at):
        right = int.from_bytes(raw[word * 32 : (word + 1) * 32])
        for wrong in (
            0,
            1,
            31,
            32,
            right - 32,
            right - 1,
            right + 1,
            right + 32,
            2**63,
            2**256 - 1,
        ):
            changed = raw[: word * 32] + (wrong % 2**256).to_bytes(32) + raw[(word + 1) * 32 :]
            if wrong != right:
                assert refused(changed) == "CHLK-E02", (word, wrong)
    for changed in (
        raw + bytes(32),
        raw + b"\x00",
        raw[:-1],
        raw[:-32],
        raw[32:],
        b"",
        raw[: 10 * 32],
        raw[: 6 * 32 + 3]
        + b"\x01"
        + raw[6 * 32 + 4 :],  # a recovery byte behind the third signature
        raw[: 7 * 32 - 1] + b"\x01" + raw[7 * 32 :],
        encode(CONFIG_DIGEST + bytes(64), bytes(8_192), []),
        encode(CONFIG_DIGEST + bytes(64), report_bytes(), [bytes(64) + b"\x01"] * 32),
    ):
        assert refused(changed) == "CHLK-E02"
    padded = encode(CONFIG_DIGEST + bytes(64), report_bytes() + b"\x01", [])
    dirty = padded[: rs_at * 32 + 31] + b"\x01" + padded[rs_at * 32 + 32 :]
    assert refused(dirty) == "CHLK-E02"


@pytest.mark.parametrize("schema", sorted(SCHEMAS))
def test_CHLK_011_each_field_has_its_type(schema: int) -> None:
    feed = feed_id(schema)
    for name, kind in SCHEMAS[schema]:
        bits, signed = KINDS[kind]
        low, high = (-(2 ** (bits - 1)), 2 ** (bits - 1) - 1) if signed else (0, 2**bits - 1)
        if name in ("valid_from", "observed", "expires"):
            high = 4_102_444_800
        for value in (low, high):
            report = decode_report(report_bytes(feed, **{name: value}))
            assert report.fields[name] == value
            assert (report.feed, report.schema) == (feed, schema)
        for value in (low - 1, high + 1):
            with pytest.raises(InputError) as caught:
                decode_report(report_bytes(feed, **{name: value}))
            assert caught.value.code == "CHLK-E02"
    whole = report_bytes(feed)
    for changed in (whole + bytes(32), whole[:-32], whole[:-1], whole[:32], b"", b"\x00"):
        with pytest.raises(InputError) as caught:
            decode_report(changed)
        assert caught.value.code == "CHLK-E02"


def test_CHLK_011_the_words_stand_in_the_documented_order() -> None:
    words = [int.from_bytes(JULY[n : n + 32]) for n in range(8 * 32, 17 * 32, 32)]
    fields = decode_report(decode_signed_report(JULY).report).fields
    assert list(fields.values()) == words[1:]
    names = ["valid_from", "observed", "native_fee", "link_fee", "expires", "price", "bid", "ask"]
    assert list(fields) == names
    assert [name for name, _ in SCHEMAS[4]][-2:] == ["price", "market_status"]
    assert [name for name, _ in SCHEMAS[8]][-3:] == ["updated_ns", "price", "market_status"]
    assert [name for name, _ in SCHEMAS[10]][-4:] == [
        "multiplier", "new_multiplier", "activation", "tokenized_price",
    ]  # fmt: skip
    for schema in (0, 1, 5, 6, 12, 13, 65_535):
        with pytest.raises(InputError):
            decode_report(schema.to_bytes(2) + report_bytes()[2:])


def test_CHLK_012_published_reports_recover_to_one_group_of_oracles() -> None:
    groups = []
    for raw, price in ((JULY, 0.6954102420437865), (SEPTEMBER, 0.6554422252388889)):
        signed = decode_signed_report(raw)
        assert decode_report(signed.report).fields["price"] / 10**18 == price
        digest = signing_digest(signed)
        group = {recover_address(digest, signature) for signature in signed.signatures}
        assert len(group) == 6
        assert None not in group
        assert digest == keccak256(keccak256(signed.report) + raw[:96])
        groups.append(group)
    first, second = groups
    assert len(first & second) == 5
    assert len(first | second) == 7
    both = oracle_set(JULY[:32].hex(), [member.hex() for member in first | second if member], 2)
    for raw in (JULY, SEPTEMBER):
        assert why_unverified(decode_signed_report(raw), {both.config_digest: both}) == ""


def test_CHLK_013_enough_members_sign() -> None:
    for keys in (KEYS[:3], KEYS[4:7], KEYS, KEYS[::-1]):
        assert verdict(full_report(keys=keys)) == ""
    assert verdict(full_report(keys=KEYS[:2]), faults=1) == ""


def test_CHLK_013_everything_else_is_unverified() -> None:
    context = CONFIG_DIGEST + (7).to_bytes(32) + bytes(32)
    body = report_bytes()
    good = sign(body, KEYS[:3], context)
    forged = encode(context, report_bytes(price=1), good)
    other_context = encode(CONFIG_DIGEST + (8).to_bytes(32) + bytes(32), body, good)
    assert "needed" in verdict(full_report(keys=[]))
    assert "2 signatures, 3 needed" in verdict(full_report(keys=KEYS[:2]))
    assert "nobody in the oracle set" in verdict(forged)
    assert "nobody in the oracle set" in verdict(other_context)
    stranger_last = full_report(keys=[*KEYS[:3], STRANGER])
    assert verdict(stranger_last) == "signature 3 is of nobody in the oracle set"
    assert "nobody" in verdict(full_report(keys=[STRANGER, *KEYS[:3]]))
    twice = full_report(keys=[*KEYS[:3], KEYS[0]])
    assert verdict(twice) == "signature 3 is of an oracle that signed before"
    assert "signed before" in verdict(full_report(keys=[KEYS[0]] * 3))
    high = (ORDER - int.from_bytes(good[0][32:64])).to_bytes(32)  # the same signature, turned over
    turned = good[0][:32] + high + bytes((1 - good[0][64],))
    assert "signed before" in verdict(encode(context, body, [*good, turned]))
    assert "no configured oracle set" in verdict(full_report(digest=OTHER_DIGEST))
    for broken in (
        good[0][:64] + b"\x02",
        good[0][:64] + b"\x1b",
        bytes(32) + good[0][32:],
        good[0][:32] + bytes(32) + good[0][64:],
        ORDER.to_bytes(32) + good[0][32:],
    ):
        assert verdict(encode(context, body, [broken, *good])) == "signature 0 is none"


def test_CHLK_013_a_set_believes_only_its_own_digest() -> None:
    others = [coincurve.PrivateKey.from_int(50 + n) for n in range(4)]
    theirs = oracle_set(OTHER_DIGEST.hex(), [address(key) for key in others], 1)
    sets = {CONFIG_DIGEST: believed(), OTHER_DIGEST: theirs}
    assert why_unverified(decode_signed_report(full_report()), sets) == ""
    crossed = decode_signed_report(full_report(digest=OTHER_DIGEST))
    assert why_unverified(crossed, sets) == "signature 0 is of nobody in the oracle set"
    of_theirs = decode_signed_report(full_report(keys=others[:2], digest=OTHER_DIGEST))
    assert why_unverified(of_theirs, sets) == ""


def test_CHLK_014_an_oracle_set_can_outvote_its_liars() -> None:
    signers = [f"0x{n:040x}" for n in range(1, 33)]
    assert oracle_set("06" * 32, signers[:4], 1).faults == 1
    assert len(oracle_set("0x" + "06" * 32, signers[:31], 10).signers) == 31
    for digest, members, faults in (
        ("06" * 32, signers[:3], 1),
        ("06" * 32, signers[:30], 10),
        ("06" * 32, signers, 1),
        ("06" * 32, signers[:4], 0),
        ("06" * 32, signers[:4], -1),
        ("06" * 31, signers[:4], 1),
        ("zz" * 32, signers[:4], 1),
        ("06" * 32, [*signers[:3], "0x12"], 1),
        ("06" * 32, [*signers[:3], signers[0]], 1),
        ("06" * 32, [*signers[:3], "text"], 1),
    ):
        with pytest.raises(InputError) as caught:
            oracle_set(digest, members, faults)
        assert caught.value.code == "CHLK-E04"
