"""The key file on disk: its mode, its writers, and what creating, revoking and rotating leave there."""

from __future__ import annotations

import os
import stat
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from steelyard.service.access import (
    AccessError,
    KeyRing,
    MasterKey,
    create_key,
    list_keys,
    read_master_key,
    reseal_keys,
    revoke_key,
    rotate_key,
)
from steelyard.service.access.signing import sign_auth
from steelyard.terms.documents.signing import public_key
from tests.service.access.roles import (
    CHEAP,
    MASTER,
    NOW,
    NOW_MS,
    PRIVATE,
    Chance,
    ed25519_key,
    hmac_key,
    revealed,
    rights,
    ring_of,
    secret_key,
)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "keys.json"


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o620, 0o602, 0o700, 0o610, 0o666])
def test_ACCS_015_a_file_that_others_can_use_is_not_read(path: Path, mode: int) -> None:
    secret_key(path, Chance())
    path.chmod(mode)
    with pytest.raises(AccessError, match="chmod 600") as caught:
        list_keys(path)
    assert caught.value.code == "ACCS-E02"
    before = path.read_bytes()
    for change in (
        lambda: secret_key(path, Chance("b")),
        lambda: revoke_key(path, "x", time_us=NOW),
    ):
        with pytest.raises(AccessError, match="ACCS-E02"):
            change()
    assert path.read_bytes() == before


@pytest.mark.parametrize("mode", [0o600, 0o400])
def test_ACCS_015_the_owners_own_file_is_read(path: Path, mode: int) -> None:
    secret_key(path, Chance())
    path.chmod(mode)
    assert len(list_keys(path)) == 1


def test_ACCS_015_a_link_a_folder_a_pipe_and_nothing_are_not_read(
    path: Path, tmp_path: Path
) -> None:
    secret_key(path, Chance())
    (tmp_path / "link").symlink_to(path)
    (tmp_path / "folder").mkdir(mode=0o700)
    os.mkfifo(tmp_path / "pipe", 0o600)
    for name in ("link", "folder", "pipe", "absent", "a/b", "nul\0"):
        with pytest.raises(AccessError) as caught:
            list_keys(tmp_path / name)
        assert caught.value.code == "ACCS-E01"
    with pytest.raises(AccessError, match="ACCS-E01"):
        secret_key(tmp_path / "link", Chance("b"))
    assert len(list_keys(path)) == 1


def test_ACCS_015_another_users_file_is_not_read(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    secret_key(path, Chance())
    if os.geteuid() == 0:
        os.chown(path, 4321, 4321)
    else:
        monkeypatch.setattr(os, "geteuid", lambda: 4321)
    with pytest.raises(AccessError, match="ACCS-E02"):
        list_keys(path)


def test_ACCS_016_a_new_file_is_its_owners_under_any_umask(path: Path) -> None:
    for umask, seed in ((0o000, "a"), (0o077, "b"), (0o777, "c")):
        before = os.umask(umask)
        try:
            secret_key(path, Chance(seed))
        finally:
            os.umask(before)
        assert stat.S_IMODE(path.stat().st_mode) == 0o600
        path.with_name("keys.json.lock").chmod(0o600)
    assert len(list_keys(path)) == 3


def test_ACCS_016_writers_at_once_lose_no_key(path: Path) -> None:
    with ThreadPoolExecutor(8) as pool:
        made = list(pool.map(lambda n: hmac_key(path, Chance(f"{n}")).key.id, range(8)))
    assert sorted(key.id for key in list_keys(path)) == sorted(made)
    assert len(set(made)) == 8


def test_ACCS_016_writers_of_two_processes_lose_no_key(path: Path) -> None:
    script = (
        "import sys; from pathlib import Path\n"
        "from tests.service.access.roles import Chance, ed25519_key\n"
        "for n in range(5): ed25519_key(Path(sys.argv[1]), Chance(f'{sys.argv[2]} {n}'))\n"
    )
    root = Path(__file__).resolve().parents[3]
    running = [
        subprocess.Popen([sys.executable, "-c", script, str(path), name], cwd=root) for name in "ab"
    ]
    assert [process.wait() for process in running] == [0, 0]
    assert len(list_keys(path)) == 10


@pytest.mark.parametrize("broken", ["replace", "fsync"])
def test_ACCS_016_a_write_that_fails_leaves_the_old_file(
    path: Path, monkeypatch: pytest.MonkeyPatch, broken: str
) -> None:
    created = secret_key(path, Chance())
    before = path.read_bytes()

    def fails(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, broken, fails)
    for change in (
        lambda: hmac_key(path, Chance("b")),
        lambda: revoke_key(path, created.key.id, time_us=NOW),
        lambda: rotate_key(path, created.key.id, random=Chance("c"), cost=CHEAP),
    ):
        with pytest.raises(AccessError, match="No space left"):
            change()
        assert path.read_bytes() == before
        assert sorted(file.name for file in path.parent.iterdir()) == [
            "keys.json",
            "keys.json.lock",
        ]


def test_ACCS_016_the_partial_file_of_a_stopped_writer_is_no_obstacle(path: Path) -> None:
    path.with_name("keys.json.partial").write_text("torn")
    secret_key(path, Chance())
    assert len(list_keys(path)) == 1
    assert not path.with_name("keys.json.partial").exists()


def test_ACCS_016_a_damaged_file_is_not_overwritten(path: Path) -> None:
    secret_key(path, Chance())
    path.write_bytes(path.read_bytes()[:-20])
    before = path.read_bytes()
    with pytest.raises(AccessError, match="ACCS-E03"):
        secret_key(path, Chance("b"))
    assert path.read_bytes() == before


def test_ACCS_017_a_revoked_key_stays_revoked(path: Path) -> None:
    created, other = secret_key(path, Chance()), hmac_key(path, Chance("b"))
    assert revoke_key(path, created.key.id, time_us=NOW + 5).revoked_us == NOW + 5
    assert revoke_key(path, created.key.id, time_us=NOW + 9).revoked_us == NOW + 5
    assert [key.revoked_us for key in list_keys(path)] == [NOW + 5, None]
    assert revoke_key(path, other.key.id, time_us=NOW - 9).revoked_us == NOW
    with pytest.raises(AccessError, match="ACCS-E11"):
        rotate_key(path, created.key.id, random=Chance("c"), cost=CHEAP)


def test_ACCS_017_an_unknown_id_is_named(path: Path) -> None:
    secret_key(path, Chance())
    with pytest.raises(AccessError, match="list the keys") as caught:
        revoke_key(path, "nobody", time_us=NOW)
    assert caught.value.code == "ACCS-E08"
    with pytest.raises(AccessError, match="ACCS-E08"):
        rotate_key(path, "nobody", random=Chance())


def test_ACCS_018_a_rotation_voids_the_old_secret_and_keeps_the_rights(path: Path) -> None:
    created = secret_key(path, Chance())
    old = revealed(created)
    rotated = rotate_key(path, created.key.id, random=Chance("b"), cost=CHEAP)
    new = revealed(rotated)
    assert old != new
    assert rotated.key.session() == created.key.session()
    assert (rotated.key.generation, list_keys(path)) == (2, (rotated.key,))
    ring = ring_of(rotated)
    assert ring.prove_secret(created.key.id, new, NOW) == created.key.session()
    with pytest.raises(AccessError, match="ACCS-E10"):
        ring.prove_secret(created.key.id, old, NOW)


def test_ACCS_018_signing_keys_rotate_too(path: Path) -> None:
    signer, pair = hmac_key(path, Chance()), ed25519_key(path, Chance("b"))
    old = revealed(signer)
    rotated = rotate_key(path, signer.key.id, random=Chance("c"), master=MasterKey(MASTER))
    other = bytes(32)
    moved = rotate_key(path, pair.key.id, random=Chance("d"), public_key=public_key(other))
    assert moved.secret is None
    ring = ring_of(rotated, moved)
    for secret, key, is_new in (
        (old, signer.key, False),
        (revealed(rotated), signer.key, True),
        (PRIVATE, pair.key, False),
        (other, pair.key, True),
    ):
        signed = sign_auth(key.id, secret, ts_ms=NOW_MS, nonce="n")
        text = f"{NOW_MS}\nn\n".encode()
        if is_new:
            assert ring.prove_signature(key.id, text, signed.signature, NOW) == key.session()
        else:
            with pytest.raises(AccessError, match="ACCS-E10"):
                ring.prove_signature(key.id, text, signed.signature, NOW)
    with pytest.raises(AccessError, match="ACCS-E07"):
        rotate_key(path, pair.key.id, random=Chance("e"), public_key=public_key(other))


def test_ACCS_019_a_new_master_key_changes_nothing_for_clients(path: Path) -> None:
    first, second = hmac_key(path, Chance()), hmac_key(path, Chance("b"))
    secret_key(path, Chance("c"))
    new = MasterKey(bytes(32))
    before = path.read_bytes()
    with pytest.raises(AccessError, match="ACCS-E06"):
        reseal_keys(path, new, MasterKey(MASTER), random=Chance("d"))
    assert path.read_bytes() == before
    assert reseal_keys(path, MasterKey(MASTER), new, random=Chance("d")) == 2
    keys = list_keys(path)
    with pytest.raises(AccessError, match="ACCS-E06"):
        KeyRing(keys, random=Chance("e"), master=MasterKey(MASTER))
    ring = KeyRing(keys, random=Chance("e"), master=new)
    for created in (first, second):
        signed = sign_auth(created.key.id, revealed(created), ts_ms=NOW_MS, nonce="n")
        text = f"{NOW_MS}\nn\n".encode()
        assert (
            ring.prove_signature(created.key.id, text, signed.signature, NOW).key_id
            == created.key.id
        )


@pytest.mark.parametrize(
    ("kind", "given", "code"),
    [
        ("secret", {"public_key": public_key(PRIVATE)}, "E07"),
        ("hmac", {"public_key": public_key(PRIVATE), "master": MasterKey(MASTER)}, "E07"),
        ("hmac", {}, "E05"),
        ("ed25519", {}, "E07"),
        ("ed25519", {"public_key": bytes(31)}, "E07"),
        ("ed25519", {"public_key": bytes(32)}, "E04"),
    ],
)
def test_ACCS_010_a_key_gets_what_its_kind_needs_or_is_not_made(
    path: Path, kind: str, given: dict[str, object], code: str
) -> None:
    with pytest.raises(AccessError) as caught:
        create_key(path, kind, rights(), time_us=NOW, random=Chance(), cost=CHEAP, **given)  # type: ignore[arg-type]
    assert caught.value.code == f"ACCS-{code}"
    assert not path.exists()


@pytest.mark.parametrize(
    "changes",
    [
        {"scopes": ("root",)},
        {"scopes": ("read", "read")},
        {"accounts": "every"},
        {"accounts": ("a", "a")},
        {"label": "two\nlines"},
        {"expires_us": NOW},
    ],
)
def test_ACCS_014_rights_that_do_not_fit_make_no_key(
    path: Path, changes: dict[str, object]
) -> None:
    with pytest.raises(AccessError, match="ACCS-E04"):
        secret_key(path, Chance(), **changes)
    assert not path.exists()


def test_ACCS_020_the_master_key_comes_from_one_place(tmp_path: Path) -> None:
    file = tmp_path / "master"
    file.write_text(MASTER.hex().upper() + "\n")
    file.chmod(0o600)
    named = {"STEELYARD_MASTER_KEY_FILE": str(file)}
    direct = {"STEELYARD_MASTER_KEY": MASTER.hex()}
    sealed = MasterKey(MASTER).seal(b"secret", "id", 1, bytes(12))
    for environment in (named, direct):
        master = read_master_key(environment)
        assert master is not None
        assert master.open(sealed, "id", 1, bytes(12)) == b"secret"
    assert read_master_key({"PATH": ""}) is None
    for environment in (
        named | direct,
        {"STEELYARD_MASTER_KEY": ""},
        {"STEELYARD_MASTER_KEY": MASTER.hex()[1:]},
        {"STEELYARD_MASTER_KEY": MASTER.hex() + "00"},
        {"STEELYARD_MASTER_KEY": "z" * 64},
    ):
        with pytest.raises(AccessError) as caught:
            read_master_key(environment)
        assert caught.value.code == "ACCS-E05"
    file.chmod(0o644)
    with pytest.raises(AccessError, match="ACCS-E02"):
        read_master_key(named)
    with pytest.raises(AccessError, match="ACCS-E01"):
        read_master_key({"STEELYARD_MASTER_KEY_FILE": str(tmp_path / "absent")})
    with pytest.raises(AccessError, match="ACCS-E05"):
        MasterKey(bytes(31))


def test_ACCS_016_ids_and_secrets_come_from_the_random_source(path: Path) -> None:
    again = path.with_name("again.json")
    first, second = hmac_key(path, Chance()), hmac_key(again, Chance())
    assert first.key == second.key
    assert revealed(first) == revealed(second)
    with pytest.raises(AssertionError, match="id of another key"):
        hmac_key(path, Chance())
    with pytest.raises(AssertionError, match="bytes of"):
        hmac_key(path, lambda count: bytes(count - 1))  # type: ignore[arg-type]
