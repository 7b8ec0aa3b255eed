"""The key file's form: what is read, what is refused, and that nothing else can happen."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from steelyard.service.access import AccessError, Key, parse_keys
from steelyard.service.access.keys import is_sound_point, keys_bytes
from steelyard.terms.documents.signing import public_key
from tests.service.access.roles import NOW, PRIVATE, Chance, ed25519_key, hmac_key, secret_key

P = 2**255 - 19


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    """Return a key file with a key of each kind."""
    path = tmp_path_factory.mktemp("keys") / "keys.json"
    chance = Chance()
    secret_key(path, chance)
    hmac_key(path, chance, accounts="all", expires_us=NOW + 1)
    ed25519_key(path, chance, scopes=(), accounts=())
    return path.read_bytes()


def changed(data: bytes, index: int, **fields: Any) -> bytes:
    file = json.loads(data)
    file["keys"][index] |= fields
    return json.dumps(file).encode()


def test_ACCS_014_a_file_of_each_kind_is_read_and_written_as_it_was(data: bytes) -> None:
    keys = parse_keys(data)
    assert [key.kind for key in keys] == ["secret", "hmac", "ed25519"]
    assert keys_bytes(keys) == data
    assert keys[0].session().accounts == {"alice", "bob"}
    assert keys[1].session().accounts is None
    assert keys[2].session().accounts == frozenset()
    assert keys[2].session().scopes == frozenset()


@pytest.mark.parametrize(
    ("index", "fields", "code"),
    [
        (0, {"surprise": 1}, "E03"),
        (0, {"created_us": 1.5}, "E03"),
        (0, {"created_us": "1"}, "E03"),
        (0, {"created_us": -1}, "E03"),
        (0, {"created_us": 2**63}, "E03"),
        (0, {"created_us": True}, "E03"),
        (0, {"generation": 0}, "E03"),
        (0, {"id": ""}, "E03"),
        (0, {"id": "a b"}, "E03"),
        (0, {"id": "abc\n"}, "E03"),
        (0, {"id": "a" * 65}, "E03"),
        (0, {"label": "x" * 65}, "E03"),
        (0, {"label": "x\u202e"}, "E04"),
        (0, {"scopes": ["root"]}, "E03"),
        (0, {"scopes": "read"}, "E03"),
        (0, {"scopes": ["read", "read"]}, "E04"),
        (0, {"accounts": None}, "E03"),
        (0, {"accounts": "alice"}, "E03"),
        (0, {"accounts": ["alice", "alice"]}, "E04"),
        (0, {"accounts": [""]}, "E04"),
        (0, {"accounts": ["a\u0000"]}, "E04"),
        (0, {"accounts": ["a" * 129]}, "E04"),
        (0, {"expires_us": NOW}, "E04"),
        (0, {"revoked_us": NOW - 1}, "E04"),
        (0, {"proof": {"kind": "none"}}, "E03"),
        (0, {"proof": {}}, "E03"),
        (0, {"proof": {"kind": "ed25519", "public_key": "01" + "00" * 31}}, "E04"),
        (0, {"proof": {"kind": "ed25519", "public_key": "01" * 31}}, "E03"),
        (1, {"proof": {"kind": "hmac", "nonce": "00" * 11, "sealed": "00" * 59}}, "E03"),
        (1, {"proof": {"kind": "hmac", "nonce": "00" * 12, "sealed": "00" * 16}}, "E03"),
        (1, {"proof": {"kind": "hmac", "nonce": "00" * 12, "sealed": "0g" * 59}}, "E03"),
    ],
)
def test_ACCS_014_what_does_not_fit_refuses_the_whole_file(
    data: bytes, index: int, fields: dict[str, Any], code: str
) -> None:
    assert len(parse_keys(changed(data, index))) == 3
    with pytest.raises(AccessError) as caught:
        parse_keys(changed(data, index, **fields))
    assert caught.value.code == f"ACCS-{code}"
    assert caught.value.reason == "bad_request"


@pytest.mark.parametrize("cost", [(1 << 11, 8, 1), (1 << 17, 8, 1), (5000, 8, 1), (1 << 14, 7, 1),
                                  (1 << 14, 8, 5), (1 << 14, 8, 0), (0, 8, 1), (-4096, 8, 1)])  # fmt: skip
def test_ACCS_011_a_weak_or_ruinous_scrypt_cost_is_refused(
    data: bytes, cost: tuple[int, int, int]
) -> None:
    proof = json.loads(data)["keys"][0]["proof"]
    sound = proof | {"cost": {"n": 1 << 16, "r": 8, "p": 4}}
    assert len(parse_keys(changed(data, 0, proof=sound))) == 3
    with pytest.raises(AccessError, match="ACCS-E04"):
        parse_keys(changed(data, 0, proof=proof | {"cost": dict(zip("nrp", cost, strict=True))}))


@pytest.mark.parametrize(
    ("old", "new"),
    [
        (b'"version": 1', b'"version": 2'),
        (b'"version": 1', b'"version": 1.0'),
        (b'"version": 1', b'"version": 1, "version": 1'),
        (b'"version": 1', b'"version": 1, "note": ""'),
        (b'"revoked_us": null', b'"revoked_us": null, "revoked_us": null'),
        (b'"revoked_us": null,', b""),
        (b'"accounts": "all",', b""),
        (b'"kind": "hmac"', b'"kind": "hmac", "kind": "hmac"'),
    ],
)
def test_ACCS_014_a_field_twice_absent_or_unknown_refuses_the_whole_file(
    data: bytes, old: bytes, new: bytes
) -> None:
    assert old in data
    with pytest.raises(AccessError, match="ACCS-E03"):
        parse_keys(data.replace(old, new, 1))


def test_ACCS_014_an_id_is_there_once(data: bytes) -> None:
    file = json.loads(data)
    file["keys"][1]["id"] = file["keys"][0]["id"]
    with pytest.raises(AccessError, match="the id is there twice") as caught:
        parse_keys(json.dumps(file).encode())
    assert caught.value.code == "ACCS-E04"


def test_ACCS_014_a_fault_does_not_quote_what_may_be_a_secret(data: bytes) -> None:
    for fields in ({"scopes": ["hunter2"]}, {"proof": {"kind": "hunter2"}}, {"id": "hunter2 "}):
        with pytest.raises(AccessError) as caught:
            parse_keys(changed(data, 0, **fields))
        assert "hunter2" not in str(caught.value)
        assert caught.value.__cause__ is None
        assert caught.value.__suppress_context__


def small_order_points() -> list[bytes]:
    """Return encodings of the points of order 1, 2, 4 and 8, the ones that are not unique included."""
    eight = "c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac037a"
    eight_other = "26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc05"
    ys = [0, 1, P - 1, P, P + 1]
    points = [y.to_bytes(32, "little") for y in ys]
    points += [(y | 1 << 255).to_bytes(32, "little") for y in ys]
    for text in (eight, eight_other):
        point = int.from_bytes(bytes.fromhex(text), "little")
        points += [point.to_bytes(32, "little"), (point | 1 << 255).to_bytes(32, "little")]
    return points


def test_ACCS_013_points_of_small_order_and_double_encodings_are_no_keys() -> None:
    assert is_sound_point(public_key(PRIVATE))
    for point in small_order_points():
        assert not is_sound_point(point), point.hex()
    assert not is_sound_point(public_key(PRIVATE)[:31])
    assert not is_sound_point(b"")
    off_curve = [n.to_bytes(32, "little") for n in range(2, 40)]
    assert not all(is_sound_point(point) for point in off_curve)


@given(st.binary(max_size=400))
def test_ACCS_021_random_bytes_are_refused_by_the_parser(data: bytes) -> None:
    with pytest.raises(AccessError, match="ACCS-E03"):
        parse_keys(data)


DEPTH = 1_000_000


@pytest.mark.parametrize(
    "opening", [b"[", b'{"version":1,"keys":[', b'{"a":', b'{"version":1,"keys":']
)
def test_ACCS_021_deep_nesting_is_refused(opening: bytes) -> None:
    with pytest.raises(AccessError, match="ACCS-E03"):
        parse_keys((opening * DEPTH)[: 4 * DEPTH])


def test_ACCS_021_a_file_that_is_too_large_is_refused() -> None:
    with pytest.raises(AccessError, match="more than"):
        parse_keys(b'{"version": 1, "keys": []}' + b" " * (1 << 24))


def test_ACCS_021_lone_surrogates_and_other_encodings_are_refused(data: bytes) -> None:
    for text in (data.decode().encode("utf-16"), b"\xef\xbb\xbf" + data, b"\xff" + data):
        with pytest.raises(AccessError, match="ACCS-E03"):
            parse_keys(text)
    with pytest.raises(AccessError, match=r"ACCS-E0[34]"):
        parse_keys(data.replace(b'"desk"', b'"\\ud800"', 1))


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(["version", "keys", "id", "proof", "x"]), inner, max_size=3
        )
    ),
    max_leaves=12,
)


@given(st.lists(JSON, max_size=3), st.sampled_from([1, 2, "1", None]))
def test_ACCS_021_files_of_a_like_form_are_refused_by_code(keys: list[Any], version: Any) -> None:
    text = json.dumps({"version": version, "keys": keys}).encode()
    if keys or version != 1:
        with pytest.raises(AccessError, match="ACCS-E03"):
            parse_keys(text)
    else:
        assert parse_keys(text) == ()


def parsed(data: bytes) -> tuple[Key, ...] | None:
    """Return the keys, or None for a refusal with one of the two codes; any other error comes through."""
    try:
        return parse_keys(data)
    except AccessError as error:
        if error.code not in ("ACCS-E03", "ACCS-E04"):
            raise
        return None


def test_ACCS_021_every_damaged_byte_is_refused_or_read_as_it_stands(data: bytes) -> None:
    read = 0
    for place in range(len(data)):
        for new in (0x00, 0x22, 0x30, 0x7B, 0xFF, data[place] ^ 1):
            damaged = data[:place] + bytes([new]) + data[place + 1 :]
            keys = parsed(damaged)
            if keys is not None:
                assert parse_keys(keys_bytes(keys)) == keys
                read += 1
    assert read > 100, "a changed digit of a time or a hash is still a key file"


def test_ACCS_021_a_file_cut_short_is_refused(data: bytes) -> None:
    for length in range(len(data) - 2):
        with pytest.raises(AccessError, match="ACCS-E03"):
            parse_keys(data[:length])


def test_ACCS_010_a_listing_has_no_proof(data: bytes, tmp_path: Path) -> None:
    for key in parse_keys(data):
        listed = key.as_dict()
        assert "proof" not in listed
        assert listed["kind"] == key.kind
        if key.kind != "ed25519":
            assert "(…)" in repr(key)
            for word in str(json.loads(keys_bytes((key,)))["keys"][0]["proof"]).split("'"):
                assert len(word) < 20 or word not in repr(key)
