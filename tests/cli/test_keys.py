"""`steelyard keys`: what is printed, what is kept, what is refused."""

from __future__ import annotations

import json
import os
from pathlib import Path
from time import time_ns
from typing import Any

import pytest
from typer.testing import CliRunner

from steelyard.cli.app import app
from steelyard.quantities import SteelyardError
from steelyard.service.access.errors import AccessError
from steelyard.service.access.key_file import list_keys
from steelyard.service.access.ring import KeyRing


def run(*words: str, env: dict[str, str] | None = None) -> dict[str, Any]:
    result = CliRunner().invoke(app, ["keys", *words, "--json"], env=env)
    if result.exception is not None and not isinstance(result.exception, SystemExit):
        raise result.exception
    assert result.exit_code == 0, result.output
    found: dict[str, Any] = json.loads(result.stdout)
    return found


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "deep" / "keys.json"


def create(
    file: Path, *more: str, scopes: str = "read,risk", accounts: str = "all"
) -> dict[str, Any]:
    return run("create", "--scopes", scopes, "--accounts", accounts, "--keys", str(file), *more)


def is_proven(file: Path, key_id: str, secret: str) -> bool:
    ring = KeyRing(list_keys(file), random=os.urandom)
    try:
        return ring.prove_secret(key_id, secret, time_ns() // 1_000).key_id == key_id
    except AccessError:
        return False


def test_SERV_010_a_secret_is_printed_once_and_opens_its_key(file: Path) -> None:
    made = create(file, "--label", "desk")
    assert len(made["secret"]) == 43
    assert made["secret"] not in file.read_text()
    assert is_proven(file, made["id"], made["secret"])
    listed = run("list", "--keys", str(file))["keys"]
    assert [key["id"] for key in listed] == [made["id"]]
    assert made["secret"] not in json.dumps(listed)
    assert (listed[0]["scopes"], listed[0]["accounts"]) == (["read", "risk"], "all")


def test_SERV_010_rotating_voids_the_old_secret_and_revoking_the_key(file: Path) -> None:
    made = create(file)
    turned = run("rotate", made["id"], "--keys", str(file))
    assert turned["id"] == made["id"]
    assert not is_proven(file, made["id"], made["secret"])
    assert is_proven(file, made["id"], turned["secret"])
    assert run("revoke", made["id"], "--keys", str(file))["revoked_us"] is not None
    assert not is_proven(file, made["id"], turned["secret"])
    told = CliRunner().invoke(app, ["keys", "list", "--keys", str(file)])
    assert "revoked" in told.stdout


def test_SERV_010_signing_secrets_are_resealed(file: Path, tmp_path: Path) -> None:
    old, new = tmp_path / "old", tmp_path / "new"
    for path, digit in ((old, "a"), (new, "b")):
        path.write_text(digit * 64)
        path.chmod(0o600)
    under_old = {"STEELYARD_MASTER_KEY_FILE": str(old)}
    result = CliRunner().invoke(
        app, ["keys", "create", "--scopes", "read", "--accounts", "alice", "--kind", "hmac",
              "--keys", str(file)], env=under_old,
    )  # fmt: skip
    assert result.exit_code == 0
    assert run("reseal", "--new-master", str(new), "--keys", str(file), env=under_old) == {
        "resealed": 1
    }
    with pytest.raises(AccessError, match="ACCS-E06"):
        run("reseal", "--new-master", str(new), "--keys", str(file), env=under_old)


@pytest.mark.parametrize(
    ("words", "field"),
    [
        (("--scopes", "raed", "--accounts", "all"), "scopes"),
        (("--scopes", "read", "--accounts", ","), "accounts"),
        (("--scopes", "read", "--accounts", "all", "--kind", "password"), "kind"),
        (("--scopes", "read", "--accounts", "all", "--kind", "ed25519", "--public-key", "xyz"), "public-key"),
    ],
)  # fmt: skip
def test_SERV_011_a_wrong_word_is_refused_by_its_field(
    file: Path, words: tuple[str, ...], field: str
) -> None:
    with pytest.raises(SteelyardError) as found:
        run("create", *words, "--keys", str(file))
    assert (found.value.code, found.value.where["field"]) == ("SERV-E05", field)
    assert not file.exists()


def test_SERV_011_a_signing_key_needs_a_master_key(file: Path) -> None:
    with pytest.raises(AccessError, match="ACCS-E05"):
        create(file, "--kind", "hmac")
    assert not file.exists()
