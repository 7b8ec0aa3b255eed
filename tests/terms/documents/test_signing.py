"""Signatures of documents: the vectors of RFC 8032, what a signature covers, keys in files."""

from __future__ import annotations

import stat
from pathlib import Path
from typing import Any

import msgspec
import pytest

from steelyard.quantities import TermsError
from steelyard.terms.documents import parse_document, sign, verify
from steelyard.terms.documents.signing import (
    CONTEXT,
    is_signed,
    new_key,
    parse_public_key,
    public_key,
    read_private_key,
    read_signature,
    sign_bytes,
    signature_name,
    write_signature,
)
from steelyard.terms.documents.writing import toml_text
from tests.terms.documents.roles import made

KEY = bytes(range(32))
OTHER = bytes(32)
AT = "2026-01-02T03:04:05Z"

# RFC 8032, section 7.1: secret key, public key, message, signature.
VECTORS = [
    (
        "9d61b19deffd5a60ba844af492ec2cc44449c5697b326919703bac031cae7f60",
        "d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a",
        "",
        "e5564300c360ac729086e2cc806e828a84877f1eb8e5d974d873e065224901555fb8821590a33bacc61e39701cf9b46b"
        "d25bf5f0595bbe24655141438e7a100b",
    ),
    (
        "4ccd089b28ff96da9db6c346ec114e0f5b8a319f35aba624da8cf6ed4fb8a6fb",
        "3d4017c3e843895a92b70aa74d1b7ebc9c982ccf2ec4968cc0cd55f12af4660c",
        "72",
        "92a009a9f0d4cab8720e820b5f642540a2b27b5416503f8fb3762223ebdb69da085ac1e43e15996e458f3613d0f11d8c"
        "387b2eaeb4302aeeb00d291612bb0c00",
    ),
    (
        "c5aa8df43f9f837bedb7442f31dcb7b166d38535076f094b85ce3a2e0b4458f7",
        "fc51cd8e6218a1a38da47ed00230f0580816ed13ba3303ac5deb911548908025",
        "af82",
        "6291d657deec24024827e69c3abe01a30ce548a284743a445e3680d7db5ac3ac18ff9b538d16f290ae67f760984dc659"
        "4a7c15e9716ed28dc027beceea1ec40a",
    ),
]


@pytest.mark.parametrize(("secret", "public", "message", "signature"), VECTORS)
def test_DOCU_050_agrees_with_rfc_8032(
    secret: str, public: str, message: str, signature: str
) -> None:
    key, said = bytes.fromhex(secret), bytes.fromhex(message)
    assert public_key(key).hex() == public
    assert sign_bytes(said, key).hex() == signature
    assert is_signed(said, bytes.fromhex(signature), bytes.fromhex(public))
    for i in (0, 31, 32, 63):
        damaged = bytearray.fromhex(signature)
        damaged[i] ^= 1
        assert not is_signed(said, bytes(damaged), bytes.fromhex(public))
    assert not is_signed(said + b"\0", bytes.fromhex(signature), bytes.fromhex(public))
    assert not is_signed(said, bytes.fromhex(signature), public_key(OTHER))
    assert not is_signed(said, bytes.fromhex(signature)[:-1], bytes.fromhex(public))
    assert not is_signed(said, bytes.fromhex(signature), b"\xff" * 32)


def test_DOCU_051_a_signature_holds_for_toml_and_json_alike(tmp_path: Path) -> None:
    document = made()
    signature = sign(document, KEY, AT)
    assert (signature.name, signature.version, signature.sha256) == (
        "small-pm",
        "2026.1",
        document.digest(),
    )
    assert (signature.public_key, signature.signed_at) == (public_key(KEY).hex(), AT)
    file = tmp_path / signature_name(document)
    assert file.name == "small-pm-2026.1.sig"
    write_signature(signature, file)
    again = read_signature(file)
    assert again == signature
    for text, kind in ((toml_text(document), "toml"), (document.canonical().decode(), "json")):
        verify(parse_document(text.encode(), kind), again)  # type: ignore[arg-type]
    verify(document, again, public_key(KEY))


@pytest.mark.parametrize(
    ("fields", "said"),
    [
        ({"title": "x"}, "not what was signed"),
        ({"version": "2026.2"}, "the signature is of small-pm 2026.1"),
        ({"name": "other"}, "the signature is of small-pm 2026.1"),
    ],
)
def test_DOCU_051_another_document_does_not_verify(fields: dict[str, Any], said: str) -> None:
    signature = sign(made(), KEY, AT)
    other = made(**fields)
    with pytest.raises(TermsError, match=said) as caught:
        verify(other, signature)
    assert caught.value.code == "TERM-E18"
    assert other.digest() in caught.value.message
    assert made().digest() in caught.value.message
    parameter = made().with_parameters({"maintenance_factor": 0.6})
    with pytest.raises(TermsError, match="TERM-E18"):
        verify(parameter, signature)


def test_DOCU_051_another_key_or_a_changed_signature_does_not_verify() -> None:
    document = made()
    signature = sign(document, KEY, AT)
    with pytest.raises(TermsError, match="the signature is by") as caught:
        verify(document, signature, public_key(OTHER))
    assert caught.value.code == "TERM-E18"
    first = "0" if signature.signature[0] != "0" else "1"
    plain = sign_bytes(document.canonical(), KEY).hex()
    for change in (
        {"signature": first + signature.signature[1:]},
        {"signature": ""},
        {"signature": "zz"},
        {"signature": plain},  # without the line that says what is signed
        {"public_key": public_key(OTHER).hex()},
        {"public_key": "00"},
    ):
        with pytest.raises(TermsError, match="the signature is false") as caught:
            verify(document, msgspec.structs.replace(signature, **change))
        assert caught.value.code == "TERM-E18"
    forged = msgspec.structs.replace(sign(made(title="x"), KEY, AT), sha256=document.digest())
    with pytest.raises(TermsError, match="the signature is false"):
        verify(document, forged)
    assert is_signed(
        CONTEXT + document.canonical(), bytes.fromhex(signature.signature), public_key(KEY)
    )


def test_DOCU_052_a_key_is_read_from_hexadecimal_or_pem(tmp_path: Path) -> None:
    from Crypto.PublicKey import ECC

    (tmp_path / "hex").write_text(f"  {KEY.hex().upper()}\n")
    pem = ECC.construct(curve="Ed25519", seed=KEY).export_key(format="PEM")
    (tmp_path / "pem").write_text(pem)
    assert read_private_key(tmp_path / "hex") == KEY
    assert read_private_key(tmp_path / "pem") == KEY
    assert parse_public_key(public_key(KEY).hex()) == public_key(KEY)


def test_DOCU_052_what_is_no_key_is_named(tmp_path: Path) -> None:
    from Crypto.PublicKey import ECC

    texts = {
        "short": KEY.hex()[:-2],
        "odd": "z" * 64,
        "empty": "",
        "public": ECC.construct(curve="Ed25519", seed=KEY).public_key().export_key(format="PEM"),
        "curve": ECC.generate(curve="P-256").export_key(format="PEM"),
        "torn": "-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----",
    }
    for name, text in texts.items():
        (tmp_path / name).write_text(text)
    for name in (*texts, "absent"):
        with pytest.raises(TermsError) as caught:
            read_private_key(tmp_path / name)
        assert (caught.value.code, caught.value.where["file"]) == ("TERM-E19", tmp_path / name)
    for text in ("", "00", "z" * 64):
        with pytest.raises(TermsError, match="TERM-E19"):
            parse_public_key(text)
    for call in (lambda: sign(made(), b"short", AT), lambda: sign(made(), KEY, "yesterday")):
        with pytest.raises(TermsError, match="TERM-E19"):
            call()
    for data in (b"", b"{}", b"[1]", b"\xff", b"[" * 5_000):
        (tmp_path / "sig").write_bytes(data)
        with pytest.raises(TermsError, match="TERM-E19"):
            read_signature(tmp_path / "sig")


def test_DOCU_052_a_new_key_is_its_owners_and_overwrites_nothing(tmp_path: Path) -> None:
    file = tmp_path / "key"
    public = new_key(file)
    assert public == public_key(read_private_key(file))
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    text = file.read_text()
    with pytest.raises(TermsError) as caught:
        new_key(file)
    assert caught.value.code == "TERM-E19"
    assert file.read_text() == text
    assert new_key(tmp_path / "second") != public
