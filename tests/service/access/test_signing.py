"""Signed requests: the layouts, what a change does to them, and every header that is none."""

from __future__ import annotations

import hashlib
import hmac
import string
import subprocess
from pathlib import Path
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from steelyard.service.access import (
    AccessError,
    AuthSignature,
    Claim,
    KeyRing,
    ReplayCache,
    Session,
    Verifier,
    auth_text,
    parse_header,
    sign_auth,
    sign_request,
    signed_text,
)
from steelyard.service.access.signing import Scheme, deribit_text
from tests.service.access.roles import (
    NOW,
    NOW_MS,
    PRIVATE,
    Chance,
    ed25519_key,
    hmac_key,
    revealed,
    ring_of,
    secret_key,
)

PATH = "/api/v2/private/get_positions?currency=BTC"
OTHER_PRIVATE = bytes(range(2, 34))


class Desk:
    """Clients with a key of each kind, one of them with a second key, and the service's ring."""

    def __init__(self, folder: Path) -> None:
        chance = Chance()
        path = folder / "keys.json"
        made = [hmac_key(path, chance), ed25519_key(path, chance), hmac_key(path, chance)]
        made += [ed25519_key(path, chance, OTHER_PRIVATE), secret_key(path, chance)]
        self.hmac_id, self.pair_id, self.other_id, self.other_pair_id, self.secret_id = (
            one.key.id for one in made
        )
        self.secret, self.other_secret = revealed(made[0]), revealed(made[2])
        self.ring: KeyRing = ring_of(*made)

    def verifier(self, **bounds: int) -> Verifier:
        return Verifier(self.ring, ReplayCache(**bounds))

    def signed(self, scheme: Scheme, **changes: Any) -> dict[str, Any]:
        """Return what a request says, signed by the scheme's key, as arguments of `verify_request`."""
        is_pair = scheme == "steelyard-ed25519"
        said = {"method": "POST", "path": PATH, "body": b'{"id":1}'} | changes
        header = sign_request(
            self.pair_id if is_pair else self.hmac_id,
            PRIVATE if is_pair else self.secret,
            said["method"],
            said["path"],
            said["body"],
            ts_ms=said.pop("ts_ms", NOW_MS),
            nonce=said.pop("nonce", "n-1"),
            scheme=scheme,
        )
        return {"header": header, **said}


@pytest.fixture(scope="module")
def desk(tmp_path_factory: pytest.TempPathFactory) -> Desk:
    return Desk(tmp_path_factory.mktemp("keys"))


SCHEMES: tuple[Scheme, ...] = ("steelyard-hmac-sha256", "steelyard-ed25519", "deri-hmac-sha256")


def outcome(verifier: Verifier, said: dict[str, Any], time_us: int = NOW) -> str:
    try:
        verifier.verify_request(**said, time_us=time_us)
    except AccessError as error:
        return error.code
    return "served"


def test_ACCS_040_the_worked_request_has_the_worked_signature() -> None:
    header = sign_request(
        "key", "secret", "post", "/api/v2", b"{}", ts_ms=1700000000000, nonce="n1"
    )
    worked = "110d6a703bca339a171c5760688fe9d9c40c42dd7d69eb25b5c17e0d473be62a"
    assert header == f"steelyard-hmac-sha256 id=key,ts=1700000000000,nonce=n1,sig={worked}"
    digest = hashlib.sha256(b"{}").hexdigest()
    text = signed_text(1700000000000, "n1", "POST", "/api/v2", b"{}")
    assert text == f"1700000000000\nn1\nPOST\n/api/v2\n{digest}".encode()


def test_ACCS_040_another_program_computes_the_same() -> None:
    try:
        found = subprocess.run(
            ["openssl", "dgst", "-sha256", "-hmac", "secret"],
            input=signed_text(1, "n", "GET", "/", b"body"),
            capture_output=True,
            check=True,
        )
    except FileNotFoundError:
        pytest.skip("no openssl on this machine")
    header = sign_request("key", "secret", "GET", "/", b"body", ts_ms=1, nonce="n")
    assert found.stdout.decode().split()[-1] == parse_header(header).signature


@pytest.mark.parametrize("scheme", SCHEMES)
def test_ACCS_040_a_signed_request_opens_its_keys_session(desk: Desk, scheme: Scheme) -> None:
    for number, (method, body) in enumerate(
        (("GET", b""), ("POST", b"\x00\xff\n"), ("delete", b"x"))
    ):
        said = desk.signed(scheme, method=method, body=body, nonce=f"n{number}")
        session = desk.verifier().verify_request(**said, time_us=NOW)
        assert session.key_id == (desk.pair_id if "ed25519" in scheme else desk.hmac_id)
        assert session == Session(
            session.key_id, frozenset({"read", "simulate", "trade"}), frozenset({"alice", "bob"})
        )


def test_ACCS_042_deribits_layouts_are_taken(desk: Desk) -> None:
    worked = "cd3d93a66ae53f454e10a72ea5160668033756df86970fc1f6ebb2878a28a0ea"
    assert sign_auth("id", "secret", ts_ms=1700000000000, nonce="abcd").signature == worked
    assert auth_text(1700000000000, "abcd", "") == b"1700000000000\nabcd\n"
    path = "/api/v2/private/get_account_summary?currency=BTC"
    header = sign_request("id", "secret", "GET", path, b"", ts_ms=1700000000000, nonce="abcd",
                          scheme="deri-hmac-sha256")  # fmt: skip
    worked = "f88924270327b2712094a9ac6dfbf32163a3bbd1d72082ca058dcf0b9d87637b"
    assert header == f"deri-hmac-sha256 id=id,ts=1700000000000,nonce=abcd,sig={worked}"
    for key_id, secret in ((desk.hmac_id, desk.secret), (desk.pair_id, PRIVATE)):
        for number, data in enumerate(("", "any words", "é")):
            auth = sign_auth(key_id, secret, ts_ms=NOW_MS, nonce=f"n{number}", data=data)
            assert desk.verifier().verify_auth(auth, NOW).key_id == key_id
            assert auth.grant_type == "client_signature"


def test_ACCS_042_digits_in_either_case_and_padding_are_read(desk: Desk) -> None:
    auth = sign_auth(desk.hmac_id, desk.secret, ts_ms=NOW_MS, nonce="n")
    upper = msgspec.structs.replace(auth, signature=auth.signature.upper())
    assert upper != auth
    assert desk.verifier().verify_auth(upper, NOW).key_id == desk.hmac_id
    pair = sign_auth(desk.pair_id, PRIVATE, ts_ms=NOW_MS, nonce="n")
    assert len(pair.signature) == 86
    padded = msgspec.structs.replace(pair, signature=pair.signature + "==")
    assert desk.verifier().verify_auth(padded, NOW).key_id == desk.pair_id
    said = desk.signed("deri-hmac-sha256")
    order = said["header"].replace("deri", "DERI").split(" ")
    said["header"] = order[0] + " " + ", ".join(reversed(order[1].split(",")))
    assert outcome(desk.verifier(), said) == "served"


CHANGES: list[dict[str, Any]] = [
    {"method": "GET"},
    {"path": PATH + "&x=1"},
    {"path": PATH.replace("BTC", "ETH")},
    {"path": "/"},
    {"body": b'{"id":2}'},
    {"body": b""},
    {"body": b'{"id":1}\n'},
]


@pytest.mark.parametrize("scheme", SCHEMES)
@pytest.mark.parametrize("change", CHANGES)
def test_ACCS_041_a_change_of_the_request_is_refused(
    desk: Desk, scheme: Scheme, change: dict[str, Any]
) -> None:
    said = desk.signed(scheme)
    assert outcome(desk.verifier(), said | change) == "ACCS-E10"
    assert outcome(desk.verifier(), said) == "served"


@pytest.mark.parametrize("scheme", SCHEMES)
def test_ACCS_041_a_change_of_the_header_is_refused(desk: Desk, scheme: Scheme) -> None:
    said = desk.signed(scheme)
    claim = parse_header(said["header"])
    first = "b" if claim.signature[0] != "b" else "c"
    others = [key for key in (desk.hmac_id, desk.pair_id, desk.other_id, desk.other_pair_id,
                              desk.secret_id, "nobody") if key != claim.key_id]  # fmt: skip
    changes: list[dict[str, Any]] = [{"key_id": key} for key in others]
    changes += [{"ts_ms": NOW_MS + 1}, {"nonce": "n-2"}, {"nonce": "n"}]
    changes += [{"signature": first + claim.signature[1:]}]
    if scheme != "steelyard-ed25519":
        swapped = {"deri-hmac-sha256", "steelyard-hmac-sha256"} - {scheme}
        changes.append({"scheme": swapped.pop()})
    texts = set()
    for change in changes:
        changed = msgspec.structs.replace(claim, **change)
        with pytest.raises(AccessError) as caught:
            desk.verifier().verify_request(**(said | {"header": changed.header()}), time_us=NOW)
        texts.add(str(caught.value))
    assert len(texts) == 1
    assert texts.pop().startswith("ACCS-E10")


@given(
    st.sampled_from(SCHEMES[::2]),
    st.text(string.ascii_letters + "/?&=%", max_size=12),
    st.binary(max_size=12),
    st.binary(max_size=12),
    st.sampled_from(["GET", "POST", "PUT"]),
    st.integers(-4000, 4000),
)
def test_ACCS_041_only_what_was_signed_is_served(
    scheme: Scheme, path: str, body: bytes, other: bytes, method: str, late_ms: int
) -> None:
    desk = _desk()
    said = desk.signed(scheme, path="/" + path, body=body, method=method, ts_ms=NOW_MS + late_ms)
    assert outcome(desk.verifier(), said) == "served"
    if body != other:
        assert outcome(desk.verifier(), said | {"body": other}) == "ACCS-E10"
    assert outcome(desk.verifier(), said | {"path": "/" + path + "/"}) == "ACCS-E10"


_MADE: list[Desk] = []


def _desk() -> Desk:
    """Return one desk for all examples of a property: hypothesis takes no fixture of a function."""
    if not _MADE:
        import tempfile

        with tempfile.TemporaryDirectory() as folder:
            _MADE.append(Desk(Path(folder)))
    return _MADE[0]


def test_ACCS_043_a_signature_of_one_layout_is_never_one_of_another(desk: Desk) -> None:
    said = desk.signed("steelyard-hmac-sha256", method="GET", path="/x", body=b"")
    claim = parse_header(said["header"])
    digest = hashlib.sha256(b"").hexdigest()
    data = f"GET\n/x\n{digest}"
    text = auth_text(claim.ts_ms, claim.nonce, data)
    assert text == signed_text(claim.ts_ms, claim.nonce, "GET", "/x", b""), "the same bytes"
    auth = AuthSignature(desk.hmac_id, claim.ts_ms, claim.nonce, data, claim.signature)
    with pytest.raises(AccessError, match="without a line feed") as caught:
        desk.verifier().verify_auth(auth, NOW)
    assert caught.value.code == "ACCS-E25"
    with pytest.raises(AccessError, match="ACCS-E25"):
        sign_auth(desk.hmac_id, desk.secret, ts_ms=NOW_MS, nonce="n", data=data)


PARTS = st.text(string.ascii_letters + string.digits, min_size=1, max_size=4)


@given(PARTS, PARTS, PARTS, st.binary(max_size=20), st.text("ab \r\t", max_size=6))
def test_ACCS_043_layouts_differ_in_their_line_feeds(
    nonce: str, method: str, path: str, body: bytes, data: str
) -> None:
    assert signed_text(1, nonce, method, path, body).count(b"\n") == 4
    assert auth_text(1, nonce, data).count(b"\n") == 2
    assert deribit_text(1, nonce, method, path, body).count(b"\n") >= 5


def test_ACCS_044_the_time_is_looked_at_before_any_proof(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[object] = []
    monkeypatch.setattr(desk.ring, "prove_signature", lambda *words: asked.append(words))
    late = NOW + 5_000_001
    assert outcome(desk.verifier(), desk.signed("steelyard-ed25519"), late) == "ACCS-E21"
    with pytest.raises(AccessError, match="ACCS-E21"):
        desk.verifier().verify_auth(AuthSignature("nobody", NOW_MS, "n", "", SIG), late)
    assert asked == []


@pytest.mark.parametrize("scheme", SCHEMES)
def test_ACCS_044_a_request_counts_for_five_seconds(desk: Desk, scheme: Scheme) -> None:
    said = desk.signed(scheme)
    for off, expected in ((5_000_000, "served"), (5_000_001, "ACCS-E21")):
        assert outcome(desk.verifier(), said, NOW + off) == expected
        assert outcome(desk.verifier(), said, NOW - off) == expected
    assert outcome(desk.verifier(window_us=60_000_000), said, NOW + 60_000_000) == "served"


def test_ACCS_045_a_request_is_served_once(desk: Desk) -> None:
    verifier = desk.verifier()
    for scheme in SCHEMES[:2]:
        said = desk.signed(scheme)
        assert [outcome(verifier, said, NOW + n) for n in range(3)] == [
            "served", "ACCS-E23", "ACCS-E23"]  # fmt: skip
    auth = sign_auth(desk.hmac_id, desk.secret, ts_ms=NOW_MS, nonce="n-1")
    with pytest.raises(AccessError, match="ACCS-E23"):
        verifier.verify_auth(auth, NOW)
    again = sign_auth(desk.hmac_id, desk.secret, ts_ms=NOW_MS, nonce="n-2")
    assert verifier.verify_auth(again, NOW).key_id == desk.hmac_id
    with pytest.raises(AccessError, match="ACCS-E23"):
        verifier.verify_auth(again, NOW)


def test_ACCS_045_a_false_signature_uses_no_nonce_up(desk: Desk) -> None:
    verifier = desk.verifier(entries_max=1)
    said = desk.signed("steelyard-hmac-sha256")
    for number in range(10):
        false = msgspec.structs.replace(
            parse_header(said["header"]), signature="0" * 64, nonce=f"n-{number}"
        )
        assert outcome(verifier, said | {"header": false.header()}) == "ACCS-E10"
    assert outcome(verifier, said) == "served"
    assert outcome(verifier, desk.signed("steelyard-ed25519")) == "ACCS-E24"


SIG = "0" * 64
GOOD = f"steelyard-hmac-sha256 id=k,ts=1700000000000,nonce=n,sig={SIG}"


@pytest.mark.parametrize(
    "header",
    [
        "",
        "Bearer abc",
        "steelyard-hmac-sha256",
        GOOD.replace("hmac", "hmac2"),
        GOOD.replace(" ", "  "),
        GOOD.replace(",", ",  "),
        GOOD.replace(",", " ,"),
        GOOD.replace(",", ";"),
        " " + GOOD,
        GOOD + " ",
        GOOD + ",",
        GOOD + "\n",
        GOOD.replace("n,", "n\0,"),
        GOOD.replace("id=k", "id="),
        GOOD.replace("id=k", "id=é"),
        GOOD.replace("id=k", "id=" + "k" * 65),
        GOOD.replace("id=k", "id=k,id=k"),
        GOOD.replace("id=k,", ""),
        GOOD.replace("nonce=n", "id=k"),
        GOOD.replace("id=k", "nonce=m"),
        GOOD.replace("id=", "ID="),
        GOOD.replace("id=", "key="),
        GOOD.replace(",nonce=n", ""),
        GOOD + ",more=1",
        GOOD.replace("ts=1700000000000", "ts=01700000000000"),
        GOOD.replace("ts=1700000000000", "ts=1.7e12"),
        GOOD.replace("ts=1700000000000", "ts=-1"),
        GOOD.replace("ts=1700000000000", "ts=0"),
        GOOD.replace("ts=1700000000000", "ts=" + "9" * 17),
        GOOD.replace("ts=1700000000000", "ts=１７"),
        GOOD.replace(SIG, SIG[1:]),
        GOOD.replace(SIG, SIG + "0"),
        GOOD.replace(SIG, "A" * 86),
        GOOD.replace("hmac-sha256", "ed25519"),
        GOOD.replace("n,", "n" * 400 + ","),
        "a" * 513,
        "a " + "b," * 250 + "\n",
    ],
)
def test_ACCS_047_what_is_no_header_is_refused(header: str) -> None:
    assert parse_header(GOOD) == Claim("steelyard-hmac-sha256", "k", 1700000000000, "n", SIG)
    with pytest.raises(AccessError) as caught:
        parse_header(header)
    assert caught.value.code == "ACCS-E20"
    assert SIG not in str(caught.value)


@pytest.mark.parametrize("nonce", ["", "n" * 65, "a b", "é", 'a"'])
def test_ACCS_047_what_is_no_nonce_is_refused(desk: Desk, nonce: str) -> None:
    with pytest.raises(AccessError, match="ACCS-E22"):
        sign_request("k", "secret", "GET", "/", b"", ts_ms=1, nonce=nonce)
    with pytest.raises(AccessError, match="ACCS-E22"):
        desk.verifier().verify_auth(AuthSignature(desk.hmac_id, NOW_MS, nonce, "", SIG), NOW)
    with pytest.raises(AccessError, match=r"ACCS-E2[02]"):
        parse_header(GOOD.replace("nonce=n", f"nonce={nonce}"))


@given(st.text(max_size=200) | st.text(string.printable, max_size=200))
def test_ACCS_047_random_text_is_refused(text: str) -> None:
    with pytest.raises(AccessError, match="ACCS-E20"):
        parse_header(text)


@given(st.integers(0, len(GOOD) - 1), st.characters() | st.sampled_from(",= \n\t0"), st.booleans())
def test_ACCS_047_a_damaged_header_is_refused_or_read_as_it_stands(
    place: int, character: str, is_added: bool
) -> None:
    damaged = GOOD[:place] + character + GOOD[place + (not is_added) :]
    try:
        claim = parse_header(damaged)
    except AccessError as error:
        if error.code not in ("ACCS-E20", "ACCS-E22"):
            raise
        return
    assert parse_header(claim.header()) == claim
    assert claim.header().replace(" ", "") in (
        damaged.replace(" ", ""),
        damaged.lower().replace(" ", ""),
    )


@given(
    st.sampled_from(SCHEMES),
    st.from_regex(r"[A-Za-z0-9_-]{1,64}", fullmatch=True),
    st.integers(1, 10**16 - 1),
    st.from_regex(r"[A-Za-z0-9._~+/=-]{1,64}", fullmatch=True),
    st.randoms(use_true_random=False),
)
def test_ACCS_047_every_claim_is_written_and_read_as_it_was(
    scheme: Scheme, key_id: str, ts_ms: int, nonce: str, chance: Any
) -> None:
    length = 86 if scheme == "steelyard-ed25519" else 64
    signature = "".join(chance.choice("0123456789abcdef") for _ in range(length))
    claim = Claim(scheme, key_id, ts_ms, nonce, signature)
    assert parse_header(claim.header()) == claim


@pytest.mark.parametrize(
    ("method", "path"),
    [("GET\n", "/"), ("", "/"), ("GET", ""), ("GET", "x"), ("GET", "/a b"), ("GET", "/\n"),
     ("GET", "/é"), ("GET", "/" + "a" * 4096), ("G T", "/"), ("ＧＥＴ", "/")],
)  # fmt: skip
def test_ACCS_043_what_cannot_stand_in_a_request_line_is_refused(
    desk: Desk, method: str, path: str
) -> None:
    said = desk.signed("steelyard-hmac-sha256")
    assert outcome(desk.verifier(), said | {"method": method, "path": path}) == "ACCS-E20"
    with pytest.raises(AccessError, match="ACCS-E20"):
        sign_request("k", "s", method, path, b"", ts_ms=1, nonce="n")


@pytest.mark.parametrize(
    "changes",
    [
        {"client_id": ""},
        {"client_id": "a b"},
        {"timestamp": 0},
        {"timestamp": -1},
        {"timestamp": 10**16},
        {"signature": ""},
        {"signature": "0" * 63},
        {"signature": "0" * 65},
        {"signature": "A" * 87},
        {"signature": "A" * 86 + "="},
        {"signature": "é" * 64},
    ],
)
def test_ACCS_047_malformed_auth_parameters_are_refused(
    desk: Desk, changes: dict[str, Any]
) -> None:
    auth = msgspec.structs.replace(
        sign_auth(desk.hmac_id, desk.secret, ts_ms=NOW_MS, nonce="n"), **changes
    )
    with pytest.raises(AccessError) as caught:
        desk.verifier().verify_auth(auth, NOW)
    assert caught.value.code == "ACCS-E20"


def test_ACCS_047_long_or_unprintable_data_is_refused(desk: Desk) -> None:
    for data in ("x" * 1025, "a\rb", "\0", "\ud800"):
        with pytest.raises(AccessError, match="ACCS-E25"):
            desk.verifier().verify_auth(AuthSignature(desk.hmac_id, NOW_MS, "n", data, SIG), NOW)


def test_ACCS_041_the_scheme_and_the_kind_of_secret_agree() -> None:
    for secret, scheme in ((PRIVATE, "steelyard-hmac-sha256"), ("s", "steelyard-ed25519")):
        with pytest.raises(AccessError, match="ACCS-E20"):
            sign_request("k", secret, "GET", "/", b"", ts_ms=1, nonce="n", scheme=scheme)  # type: ignore[arg-type]


def test_ACCS_048_the_text_of_a_secret_is_no_signature_of_a_secret_key(desk: Desk) -> None:
    """A key of client_credentials has no secret to sign with, so no signature is by it."""
    for secret in (b"", desk.secret.encode()):
        signature = hmac.digest(secret, auth_text(NOW_MS, "n", ""), "sha256").hex()
        with pytest.raises(AccessError, match="ACCS-E10"):
            desk.verifier().verify_auth(
                AuthSignature(desk.secret_id, NOW_MS, "n", "", signature), NOW
            )
