"""Proofs: what opens a key, and that the unknown looks and costs like the wrong."""

from __future__ import annotations

import copy
import hashlib
import hmac
import json
import logging
import pickle
import traceback
from pathlib import Path
from typing import Any

import msgspec
import pytest

from steelyard.service.access import (
    AccessError,
    Created,
    KeyRing,
    MasterKey,
    Session,
    list_keys,
    revoke_key,
    sealing,
)
from steelyard.service.access import ring as ring_module
from steelyard.service.access.keys import HmacProof
from steelyard.service.access.ring import narrowed
from steelyard.service.access.sealing import ScryptCost, new_secret, scrypt_hash
from steelyard.service.access.signing import AuthSignature, sign_auth
from tests.service.access.roles import (
    MASTER,
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


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "keys.json"


def refused(action: Any, *arguments: Any) -> AccessError:
    with pytest.raises(AccessError) as caught:
        action(*arguments)
    return caught.value


def test_ACCS_011_scrypt_agrees_with_rfc_7914() -> None:
    """RFC 7914, section 12: the first 32 bytes of its third vector."""
    found = scrypt_hash(b"pleaseletmein", b"SodiumChloride", ScryptCost(1 << 14, 8, 1))
    assert found.hex() == "7023bdcb3afd7348461c06cd81fd38ebfda8fbba904f8e3ea9b543f6545da1f2"


def test_ACCS_011_the_file_has_the_hash_of_what_was_shown(path: Path) -> None:
    created = secret_key(path, Chance())
    proof = json.loads(path.read_bytes())["keys"][0]["proof"]
    again = hashlib.scrypt(
        revealed(created).encode(), salt=bytes.fromhex(proof["salt"]), n=1 << 12, r=8, p=1, dklen=32
    )
    assert proof["hash"] == again.hex()
    other = secret_key(path, Chance("b"))
    assert created.key.proof != other.key.proof


def test_ACCS_012_a_sealed_secret_opens_in_its_place_only() -> None:
    master = MasterKey(MASTER)
    sealed = master.seal(b"secret", "id", 1, bytes(12))
    assert b"secret" not in sealed
    assert master.open(sealed, "id", 1, bytes(12)) == b"secret"
    for opening in (
        lambda: MasterKey(bytes(32)).open(sealed, "id", 1, bytes(12)),
        lambda: master.open(sealed, "ie", 1, bytes(12)),
        lambda: master.open(sealed, "id", 2, bytes(12)),
        lambda: master.open(sealed, "id", 1, bytes(11) + b"\1"),
        lambda: master.open(sealed[:-1], "id", 1, bytes(12)),
    ):
        assert refused(opening).code == "ACCS-E06"
    for bit in range(8 * len(sealed)):
        damaged = bytearray(sealed)
        damaged[bit // 8] ^= 1 << bit % 8
        assert refused(master.open, bytes(damaged), "id", 1, bytes(12)).code == "ACCS-E06"


def test_ACCS_012_sealing_agrees_with_a_published_vector() -> None:
    """Test case 14 of the GCM submission to NIST (32 zero bytes of key), without associated data."""
    from Crypto.Cipher import AES

    cipher = AES.new(bytes(32), AES.MODE_GCM, nonce=bytes(12))
    text, tag = cipher.encrypt_and_digest(bytes(16))
    assert text.hex() == "cea7403d4d606b6e074ec5d3baf39d18"
    assert tag.hex() == "d0d1c8a799996bf0265b98b5d48ab919"
    own = MasterKey(bytes(32)).seal(bytes(16), "id", 1, bytes(12))
    assert own[:16] == text
    assert own[16:] != tag, "the id is under the tag"


def test_ACCS_012_hmac_keys_without_their_master_key_make_no_ring(path: Path) -> None:
    hmac_key(path, Chance())
    secret_key(path, Chance("b"))
    keys = list_keys(path)
    assert refused(lambda: KeyRing(keys, random=Chance())).code == "ACCS-E05"
    wrong = MasterKey(bytes(32))
    assert refused(lambda: KeyRing(keys, random=Chance(), master=wrong)).code == "ACCS-E06"
    proof = keys[0].proof
    assert isinstance(proof, HmacProof)
    moved = msgspec.structs.replace(keys[0], id="another")
    assert (
        refused(lambda: KeyRing([moved], random=Chance(), master=MasterKey(MASTER))).code
        == "ACCS-E06"
    )


def test_ACCS_030_the_right_secret_opens_the_keys_session(path: Path) -> None:
    created = secret_key(path, Chance())
    ring = ring_of(created)
    session = ring.prove_secret(created.key.id, revealed(created), NOW)
    assert session == Session(
        created.key.id, frozenset({"read", "simulate", "trade"}), frozenset({"alice", "bob"})
    )


def test_ACCS_030_the_unknown_the_wrong_and_the_other_kind_are_one_refusal(path: Path) -> None:
    created, signer = secret_key(path, Chance()), hmac_key(path, Chance("b"))
    pair = ed25519_key(path, Chance("c"))
    ring = ring_of(created, signer, pair)
    secret, signing = revealed(created), revealed(signer)
    tries = [
        (created.key.id, secret[:-1]),
        (created.key.id, secret + "A"),
        (created.key.id, secret.swapcase()),
        (created.key.id, ""),
        (created.key.id, "é" * 43),
        (created.key.id, "\ud800"),
        (created.key.id, "A" * 10_000),
        (created.key.id.upper() + "x", secret),
        ("", secret),
        ("\ud800", secret),
        ("nobody", secret),
        (signer.key.id, signing),
        (pair.key.id, secret),
    ]
    texts = {str(refused(ring.prove_secret, key_id, given, NOW)) for key_id, given in tries}
    assert len(texts) == 1
    assert texts.pop().startswith("ACCS-E10: ")
    empty = KeyRing([], random=Chance())
    assert refused(empty.prove_secret, "nobody", secret, NOW).reason == "invalid_credentials"


def test_ACCS_030_the_unknown_costs_the_scrypt_work_of_the_known(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    created, signer = secret_key(path, Chance()), hmac_key(path, Chance("b"))
    ring = ring_of(created, signer)
    work: list[tuple[ScryptCost, int, int, int]] = []
    salts: list[bytes] = []

    def counted(secret: bytes, salt: bytes, cost: ScryptCost, expected: bytes) -> bool:
        work.append((cost, len(secret), len(salt), len(expected)))
        salts.append(salt)
        return sealing.is_secret(secret, salt, cost, expected)

    monkeypatch.setattr(ring_module, "is_secret", counted)
    for key_id in (created.key.id, signer.key.id, "nobody", "nobody"):
        assert refused(ring.prove_secret, key_id, "A" * 43, NOW).code == "ACCS-E10"
    assert len(work) == 4
    assert len(set(work)) == 1
    assert salts[2] == salts[3], "an id has one decoy"
    assert salts[1] != salts[2]
    other = KeyRing(list_keys(path), random=Chance("else"), master=MasterKey(MASTER))
    assert refused(other.prove_secret, "nobody", "A" * 43, NOW).code == "ACCS-E10"
    assert salts[4] != salts[3], "and nobody can work it out from outside"


def test_ACCS_030_a_decoys_hash_opens_nothing(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    created, signer = secret_key(path, Chance()), hmac_key(path, Chance("b"))
    ring = ring_of(created, signer)
    monkeypatch.setattr(ring_module, "is_secret", lambda *_: True)
    assert ring.prove_secret(created.key.id, "A" * 43, NOW).key_id == created.key.id
    for key_id in ("nobody", signer.key.id):
        assert refused(ring.prove_secret, key_id, "A" * 43, NOW).code == "ACCS-E10"


def test_ACCS_031_revoked_and_expired_are_told_after_the_proof(path: Path) -> None:
    expiring, created = (
        secret_key(path, Chance(), expires_us=NOW + 10),
        secret_key(path, Chance("b")),
    )
    secret, other = revealed(expiring), revealed(created)
    revoke_key(path, created.key.id, time_us=NOW)
    ring = KeyRing(list_keys(path), random=Chance())
    assert ring.prove_secret(expiring.key.id, secret, NOW + 9).key_id == expiring.key.id
    assert refused(ring.prove_secret, expiring.key.id, secret, NOW + 10).code == "ACCS-E12"
    assert refused(ring.prove_secret, expiring.key.id, other, NOW + 10).code == "ACCS-E10"
    assert refused(ring.prove_secret, created.key.id, other, NOW).code == "ACCS-E11"
    assert refused(ring.prove_secret, created.key.id, secret, NOW).code == "ACCS-E10"


def test_ACCS_032_a_ring_takes_all_keys_or_none(path: Path) -> None:
    created, signer = secret_key(path, Chance()), hmac_key(path, Chance("b"))
    ring = KeyRing([created.key], random=Chance())
    secret = revealed(created)
    assert refused(ring.replace, [signer.key]).code == "ACCS-E05"
    torn = msgspec.structs.replace(created.key, label="two\nlines")
    assert refused(ring.replace, [signer.key, torn], MasterKey(MASTER)).code == "ACCS-E04"
    with pytest.raises(AssertionError, match="two keys"):
        ring.replace([created.key, created.key])
    assert ring.prove_secret(created.key.id, secret, NOW).key_id == created.key.id
    ring.replace([signer.key], MasterKey(MASTER))
    assert refused(ring.prove_secret, created.key.id, secret, NOW).code == "ACCS-E10"
    assert (ring.generation(created.key.id), ring.generation(signer.key.id)) == (0, 1)


def test_ACCS_033_a_held_session_loses_what_its_key_has_lost(path: Path) -> None:
    key = secret_key(path, Chance(), expires_us=NOW + 10).key
    held = key.session()

    def present(time_us: int = NOW, generation: int = 1, **changes: object) -> Session:
        changed = msgspec.structs.replace(key, **changes)
        return KeyRing([changed], random=Chance()).present(held, generation, time_us)

    assert present() == held
    assert present(scopes=("read", "admin")).scopes == {"read"}
    assert present(accounts=("bob", "carol")).accounts == {"bob"}
    assert present(accounts="all").accounts == {"alice", "bob"}
    assert refused(lambda: present(revoked_us=NOW)).code == "ACCS-E11"
    assert refused(lambda: present(NOW + 10)).code == "ACCS-E12"
    assert refused(lambda: present(generation=2)).code == "ACCS-E10"
    assert refused(lambda: KeyRing([], random=Chance()).present(held, 1, NOW)).code == "ACCS-E10"
    every = Session(key.id, held.scopes, None)
    assert narrowed(every, held).accounts == held.accounts
    assert narrowed(held, every).accounts == held.accounts
    assert narrowed(every, every).accounts is None


def test_ACCS_048_a_signature_costs_what_its_form_costs(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    created, signer = secret_key(path, Chance()), hmac_key(path, Chance("b"))
    pair = ed25519_key(path, Chance("c"))
    ring = ring_of(created, signer, pair)
    work: list[str] = []
    digest, is_signed = hmac.digest, ring_module.is_signed

    def counted_digest(key: bytes, message: bytes, kind: str) -> bytes:
        work.append(f"hmac {len(message)}")
        return digest(key, message, kind)

    def counted_check(message: bytes, signature: bytes, by: bytes) -> bool:
        work.append(f"ed25519 {len(message)} {len(signature)} {len(by)}")
        return is_signed(message, signature, by)

    monkeypatch.setattr(ring_module.hmac, "digest", counted_digest)
    monkeypatch.setattr(ring_module, "is_signed", counted_check)
    texts = set()
    for signature, done in (("0" * 64, "hmac 4"), ("A" * 86, "ed25519 4 64 32")):
        for key_id in (created.key.id, signer.key.id, pair.key.id, "nobody", ""):
            work.clear()
            texts.add(str(refused(ring.prove_signature, key_id, b"text", signature, NOW)))
            assert work == [done]
    assert len(texts) == 1


def test_ACCS_048_a_signature_by_the_decoy_opens_nothing(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pair, signer = ed25519_key(path, Chance("c")), hmac_key(path, Chance("d"))
    ring = ring_of(pair, signer)
    monkeypatch.setattr(ring_module, "is_signed", lambda *_: True)
    monkeypatch.setattr(ring_module.hmac, "compare_digest", lambda *_: True)
    assert ring.prove_signature(pair.key.id, b"x", "A" * 86, NOW).key_id == pair.key.id
    for key_id, signature in (
        ("nobody", "A" * 86),
        ("nobody", "0" * 64),
        (pair.key.id, "0" * 64),
        (signer.key.id, "A" * 86),
    ):
        assert refused(ring.prove_signature, key_id, b"x", signature, NOW).code == "ACCS-E10"


def test_ACCS_031_a_signature_tells_revoked_and_expired_after_the_proof(path: Path) -> None:
    signer, pair = hmac_key(path, Chance(), expires_us=NOW + 1), ed25519_key(path, Chance("b"))
    revoke_key(path, pair.key.id, time_us=NOW)
    ring = KeyRing(list_keys(path), random=Chance(), master=MasterKey(MASTER))
    for created, secret, code in ((signer, revealed(signer), "E12"), (pair, PRIVATE, "E11")):
        auth = sign_auth(created.key.id, secret, ts_ms=NOW_MS, nonce="n")
        text = f"{NOW_MS}\nn\n".encode()
        prove = ring.prove_signature
        assert refused(prove, created.key.id, text, auth.signature, NOW + 1).code == f"ACCS-{code}"
        assert (
            refused(prove, created.key.id, text + b"x", auth.signature, NOW + 1).code == "ACCS-E10"
        )


def forms(secret: str) -> list[str]:
    raw = secret.encode()
    return [secret, raw.hex(), raw.hex().upper(), repr(raw), secret[:12], secret[-12:]]


def test_ACCS_010_a_secret_is_shown_once(path: Path) -> None:
    created = hmac_key(path, Chance())
    secret = revealed(created)
    assert len(secret) == 43
    assert created.secret is not None
    assert refused(created.secret.reveal).code == "ACCS-E09"
    for copied in (copy.copy, copy.deepcopy, pickle.dumps):
        with pytest.raises(TypeError, match="not copied"):
            copied(created.secret)
        with pytest.raises(TypeError, match="not copied"):
            copied(MasterKey(MASTER))
    with pytest.raises(TypeError):
        msgspec.json.encode(created)
    with pytest.raises(TypeError):
        vars(created.secret)


@pytest.mark.parametrize("make", [secret_key, hmac_key])
def test_ACCS_010_a_secret_is_nowhere(
    path: Path, make: Any, caplog: pytest.LogCaptureFixture, capsys: pytest.CaptureFixture[str]
) -> None:
    created: Created = make(path, Chance())
    shown = [repr(created), str(created), f"{created.secret}", repr(created.secret)]
    secret = revealed(created)
    ring = ring_of(created)
    shown += [repr(ring), repr(created), repr(created.key), str(created.key.as_dict())]
    shown += [
        repr(list_keys(path)),
        path.read_text(),
        repr(MasterKey(MASTER)),
        str(MasterKey(MASTER)),
    ]
    shown += [file.read_bytes().decode("latin-1") for file in path.parent.iterdir()]
    auth = sign_auth(created.key.id, secret, ts_ms=NOW_MS, nonce="n")
    shown += [repr(auth), repr(vars(ring).keys())]
    for action in (
        lambda: ring.prove_secret("nobody", secret, NOW),
        lambda: ring.prove_secret(created.key.id, secret + "x", NOW),
        lambda: ring.prove_signature(created.key.id, b"x", secret, NOW),
        lambda: ring.prove_signature(created.key.id, b"x", "0" * 64, NOW),
        lambda: KeyRing(
            [msgspec.structs.replace(created.key, id="x", label="\n")], random=Chance()
        ),
    ):
        error = refused(action)
        shown += [str(error), repr(error), str(error.as_dict())]
        with caplog.at_level(logging.DEBUG):
            logging.getLogger("access").error("refused", exc_info=error)
        shown.append("".join(traceback.format_exception(error)))
    printed = capsys.readouterr()
    text = "\n".join([*shown, caplog.text, printed.out, printed.err])
    for form in [*forms(secret), *forms(MASTER.decode("latin-1")), MASTER.hex()]:
        assert form not in text


def test_ACCS_010_a_signatures_parameters_hide_nothing_that_is_secret() -> None:
    auth = sign_auth("id", "secret-of-the-desk", ts_ms=NOW_MS, nonce="n")
    assert isinstance(auth, AuthSignature)
    assert b"secret-of" not in msgspec.json.encode(auth)


def test_ACCS_010_a_secret_has_256_random_bits() -> None:
    chance = Chance()
    first, second = new_secret(chance), new_secret(chance)
    assert first != second
    assert [len(value) for value in chance.given] == [32, 32]
    import base64

    assert base64.urlsafe_b64decode(first + "=") == chance.given[0]
