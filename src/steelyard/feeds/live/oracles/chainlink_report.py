"""Signed reports of Chainlink Data Streams: strict decoding, and who signed what.

A full report is the ABI encoding of

    bytes32[3] context, bytes report, bytes32[] rs, bytes32[] ss, bytes32 vs

context[0] names the oracle set (its config digest). Each oracle signs
keccak256(keccak256(report) ‖ context); byte i of vs is the recovery bit of signature i. Only the one
canonical encoding is taken: every offset, length and padding byte has the one value it can have, so
that two byte strings never mean the same report.

Source: the network's report schemas and its verifier contract (0.3), read in November 2026.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import NamedTuple

from steelyard.feeds.live.oracles.signatures import keccak256, recover_address
from steelyard.quantities import InputError

WORD = 32
SIGNERS_MAX = 31  # one recovery byte each in one word, and one is never used
REPORT_BYTES_MAX = 8_192
HEAD_WORDS = 7
SECONDS_MAX = 4_102_444_800  # the year 2100

# What the word of each field may hold: (bits, signed). bytes32 is any word.
KINDS = {
    "uint32": (32, False),
    "uint64": (64, False),
    "uint192": (192, False),
    "int192": (192, True),
}
_COMMON = (
    ("valid_from", "uint32"),
    ("observed", "uint32"),
    ("native_fee", "uint192"),
    ("link_fee", "uint192"),
    ("expires", "uint32"),
)
SCHEMAS: Mapping[int, tuple[tuple[str, str], ...]] = {
    2: (*_COMMON, ("price", "int192")),
    3: (*_COMMON, ("price", "int192"), ("bid", "int192"), ("ask", "int192")),
    4: (*_COMMON, ("price", "int192"), ("market_status", "uint32")),
    8: (
        *_COMMON,
        *(("updated_ns", "uint64"), ("price", "int192"), ("market_status", "uint32")),
    ),
    10: (
        *_COMMON,
        *(("updated_ns", "uint64"), ("price", "int192"), ("market_status", "uint32")),
        *(("multiplier", "int192"), ("new_multiplier", "int192"), ("activation", "uint32")),
        ("tokenized_price", "int192"),
    ),
    11: (
        *_COMMON,
        *(("price", "int192"), ("updated_ns", "uint64"), ("bid", "int192")),
        *(("bid_volume", "int192"), ("ask", "int192"), ("ask_volume", "int192")),
        *(("last_price", "int192"), ("market_status", "uint32")),
    ),
}
"""Fields after the feed's id, by the schema number that the id begins with, one word each.

2 and 3 are of crypto streams, 4 and 8 of real-world assets, 10 of tokenised assets, 11 of real-world
assets with bid and ask.
"""


class SignedReport(NamedTuple):
    """What was signed and by which signatures. context: 96 bytes; signatures: r ‖ s ‖ v, 65 bytes each."""

    context: bytes
    report: bytes
    signatures: tuple[bytes, ...]

    @property
    def config_digest(self) -> bytes:
        """The name of the oracle set that the report says it is from."""
        return self.context[:WORD]


class Report(NamedTuple):
    """A report's content. feed: 0x and 64 hexadecimal digits. Numbers as signed, prices not yet scaled.

    fields: by the names of SCHEMAS; times in seconds, `updated_ns` in nanoseconds.
    """

    feed: str
    schema: int
    fields: Mapping[str, int]

    @property
    def observed_us(self) -> int:
        """When the oracles observed it, UTC microseconds."""
        return self.fields["observed"] * 1_000_000


class OracleSet(NamedTuple):
    """The oracles behind one config digest. signers: 20-byte addresses. faults: f, how many may lie."""

    config_digest: bytes
    signers: frozenset[bytes]
    faults: int


def malformed(code: str, message: str, rule: str, **where: object) -> InputError:
    """Return the error of a frame or report that cannot be taken."""
    cure = "drop the frame; the feed goes on with the next one"
    return InputError(code, message, rule=rule, cure=cure, **where)


def oracle_set(config_digest: str, signers: Iterable[str], faults: int) -> OracleSet:
    """Return the oracle set of a configuration: hexadecimal digest and addresses, f ≥ 1.

    Errors: CHLK-E04 where a digest has other than 32 bytes, an address other than 20, one comes twice,
    f is below 1, or there are not more than 3·f and at most 31 signers.

    >>> len(oracle_set("0x" + "06" * 32, [f"{n:040x}" for n in range(4)], 1).signers)
    4
    """
    rule = "a 32-byte digest and more than 3·f, at most 31, different 20-byte addresses, f ≥ 1"
    try:
        digest = bytes.fromhex(config_digest.removeprefix("0x"))
        addresses = [bytes.fromhex(signer.removeprefix("0x")) for signer in signers]
    except ValueError:
        digest, addresses = b"", []
    members = frozenset(addresses)
    fits = len(digest) == WORD and all(len(address) == 20 for address in addresses)
    if not fits or len(members) != len(addresses):
        raise _unfit("a config digest or signer that is none, or one signer twice", rule)
    if not (faults >= 1 and 3 * faults < len(members) <= SIGNERS_MAX):
        raise _unfit(f"{len(members)} signers for f = {faults}", rule)
    return OracleSet(digest, members, faults)


def _unfit(message: str, rule: str) -> InputError:
    return InputError("CHLK-E04", message, rule=rule, cure="mend the feed's configuration")


def decode_signed_report(raw: bytes) -> SignedReport:
    """Return the parts of a full report. Errors: CHLK-E02 for any other layout than the canonical one."""
    if len(raw) > REPORT_BYTES_MAX or len(raw) % WORD or len(raw) < (HEAD_WORDS + 3) * WORD:
        rule = f"whole words of {WORD} bytes, at least {HEAD_WORDS + 3}, at most {REPORT_BYTES_MAX} bytes"
        raise malformed("CHLK-E02", f"a full report of {len(raw)} bytes", rule)
    words = [int.from_bytes(raw[start : start + WORD]) for start in range(0, len(raw), WORD)]
    report_at = HEAD_WORDS * WORD
    report_length = words[HEAD_WORDS]
    _fixed("offset of the report", words[3], report_at)
    rs_at = report_at + WORD + -(-report_length // WORD) * WORD
    _fixed("offset of rs", words[4], rs_at)
    if not rs_at < len(raw):
        raise malformed("CHLK-E02", "the report ends behind the frame", "lengths lie in the frame")
    count = words[rs_at // WORD]
    ss_at = rs_at + WORD + count * WORD
    _fixed("offset of ss", words[5], ss_at)
    _fixed("length of the frame", len(raw), ss_at + WORD + count * WORD)
    _fixed("count of ss", words[ss_at // WORD], count)
    if count > SIGNERS_MAX:
        rule = f"at most {SIGNERS_MAX} signatures"
        raise malformed("CHLK-E02", f"{count} signatures", rule)
    report_end = report_at + WORD + report_length
    recovery = raw[6 * WORD : 7 * WORD]
    if any(raw[report_end:rs_at]) or any(recovery[count:]):
        raise malformed("CHLK-E02", "bytes behind the end of a field", "padding is zero")
    signatures = tuple(
        raw[rs_at + WORD * n : rs_at + WORD * (n + 1)]
        + raw[ss_at + WORD * n : ss_at + WORD * (n + 1)]
        + recovery[n - 1 : n]
        for n in range(1, count + 1)
    )
    return SignedReport(raw[: 3 * WORD], raw[report_at + WORD : report_end], signatures)


def _fixed(what: str, found: int, expected: int) -> None:
    if found != expected:
        message = f"{what} is {found if found < 2**64 else 'huge'}, not {expected}"
        raise malformed(
            "CHLK-E02", message, "the one canonical encoding, nothing before, between, behind"
        )


def decode_report(report: bytes) -> Report:
    """Return what a report says. Errors: CHLK-E02 for an unknown schema, another length, a number out of
    its type, or a time that is not between 1970 and 2100."""
    schema = int.from_bytes(report[:2])
    layout = SCHEMAS.get(schema)
    if layout is None:
        known = ", ".join(map(str, SCHEMAS))
        raise malformed("CHLK-E02", f"schema {schema}", f"a schema that is known: {known}")
    if len(report) != (1 + len(layout)) * WORD:
        rule = f"schema {schema} has {1 + len(layout)} words"
        raise malformed("CHLK-E02", f"a report of {len(report)} bytes", rule)
    fields: dict[str, int] = {}
    for n, (name, kind) in enumerate(layout, start=1):
        bits, signed = KINDS[kind]
        value = int.from_bytes(report[n * WORD : (n + 1) * WORD], signed=signed)
        low, high = (-(2 ** (bits - 1)), 2 ** (bits - 1)) if signed else (0, 2**bits)
        if not low <= value < high:
            raise malformed(
                "CHLK-E02", f"{name} is no {kind}", "a number fits its type", field=name
            )
        fields[name] = value
    if max(fields["valid_from"], fields["observed"], fields["expires"]) > SECONDS_MAX:
        raise malformed("CHLK-E02", "a time after 2100", "times are seconds from 1970 to 2100")
    return Report(f"0x{report[:WORD].hex()}", schema, fields)


def signing_digest(signed: SignedReport) -> bytes:
    """Return what the oracles sign: keccak256(keccak256(report) ‖ context)."""
    return keccak256(keccak256(signed.report) + signed.context)


def why_unverified(signed: SignedReport, sets: Mapping[bytes, OracleSet]) -> str:
    """Return why a report is not believed, or an empty text where it is.

    It is believed if its config digest is of a configured set, every signature is of a member of that
    set, none signed twice, and there are at least f + 1: then one honest oracle at least signed it.
    """
    members = sets.get(signed.config_digest)
    if members is None:
        return "its config digest is of no configured oracle set"
    if len(signed.signatures) <= members.faults:
        return f"{len(signed.signatures)} signatures, {members.faults + 1} needed"
    digest = signing_digest(signed)
    seen: set[bytes] = set()
    for number, signature in enumerate(signed.signatures):
        signer = recover_address(digest, signature)
        if signer is None:
            return f"signature {number} is none"
        if signer not in members.signers:
            return f"signature {number} is of nobody in the oracle set"
        if signer in seen:
            return f"signature {number} is of an oracle that signed before"
        seen.add(signer)
    return ""
