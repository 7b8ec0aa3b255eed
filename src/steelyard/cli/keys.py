"""`steelyard keys`: make, list, revoke, rotate and reseal the API keys of the service.

A secret is printed once, when it is made; the file keeps what proves it and nothing that would open anything.
Keys of kind hmac need a master key: STEELYARD_MASTER_KEY (64 hexadecimal digits) or
STEELYARD_MASTER_KEY_FILE (a file only its owner can read).
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from time import time_ns
from typing import TYPE_CHECKING, Annotated, Any, Literal, cast

import typer

if TYPE_CHECKING:
    from steelyard.service.access.keys import Created, Key

keys_app = typer.Typer(
    name="keys",
    help="API keys of the service: create, list, revoke, rotate, reseal.",
    no_args_is_help=True,
    rich_markup_mode=None,
    context_settings={"help_option_names": ["-h", "--help"]},
)

SCOPE_WORDS = ("read", "simulate", "trade", "risk", "admin")

KeyFile = Annotated[Path, typer.Option("--keys", help="The key file; begun if it is not there.")]
AsJson = Annotated[bool, typer.Option("--json", help="Print the result as JSON on stdout.")]
PublicKey = Annotated[
    str | None, typer.Option("--public-key", help="For kind ed25519: 64 hexadecimal digits.")
]
KeyId = Annotated[str, typer.Argument(help="The id of a key.")]
DEFAULT_FILE = Path("steelyard-serve/keys.json")


@keys_app.command()
def create(
    scopes: Annotated[str, typer.Option(help="read, simulate, trade, risk, admin; by commas.")],
    accounts: Annotated[str, typer.Option(help="Names by commas, or all.")],
    label: Annotated[str, typer.Option(help="What the key is for.")] = "",
    kind: Annotated[str, typer.Option(help="secret, hmac or ed25519.")] = "secret",
    expires: Annotated[str, typer.Option(help="ISO 8601, UTC; or never.")] = "never",
    public_key: PublicKey = None,
    keys: KeyFile = DEFAULT_FILE,
    as_json: AsJson = False,
) -> None:
    """Make a key and print its secret, once."""
    from steelyard.cli.wiring import parse_time_us
    from steelyard.service.access.key_file import create_key
    from steelyard.service.access.keys import Rights
    from steelyard.service.access.sealing import read_master_key

    rights = Rights(
        label=label,
        scopes=cast(Any, tuple(_words(scopes, SCOPE_WORDS, "scopes"))),
        accounts="all" if accounts == "all" else tuple(_listed(accounts, "accounts")),
        expires_us=None if expires == "never" else parse_time_us(expires, "expires"),
    )
    keys.parent.mkdir(parents=True, exist_ok=True)
    made = create_key(
        keys,
        cast(Literal["secret", "hmac", "ed25519"], _word(kind, ("secret", "hmac", "ed25519"), "kind")),
        rights,
        time_us=time_ns() // 1_000,
        random=os.urandom,
        master=read_master_key(os.environ),
        public_key=_public(public_key),
    )  # fmt: skip
    _show_made(made, keys, as_json)


@keys_app.command("list")
def list_(keys: KeyFile = DEFAULT_FILE, as_json: AsJson = False) -> None:
    """List the keys of a file, without what proves them."""
    from steelyard.cli.output import console, print_json
    from steelyard.service.access.key_file import list_keys

    found = list_keys(keys)
    if as_json:
        print_json({"keys": [key.as_dict() for key in found]})
        return
    from rich.table import Table

    table = Table(box=None, pad_edge=False, header_style="bold")
    for title in ("id", "label", "kind", "scopes", "accounts", "expires", "state"):
        table.add_column(title, overflow="fold")
    now_us = time_ns() // 1_000
    for key in found:
        table.add_row(*_row(key, now_us))
    console().print(table if found else f"{keys} holds no key")


@keys_app.command()
def revoke(key_id: KeyId, keys: KeyFile = DEFAULT_FILE, as_json: AsJson = False) -> None:
    """Revoke a key for good; running services take note when they read the file again."""
    from steelyard.cli.output import print_json
    from steelyard.service.access.key_file import revoke_key

    key = revoke_key(keys, key_id, time_us=time_ns() // 1_000)
    if as_json:
        print_json(key.as_dict())
    else:
        typer.echo(f"key {key.id} is revoked")


@keys_app.command()
def rotate(
    key_id: KeyId,
    public_key: PublicKey = None,
    keys: KeyFile = DEFAULT_FILE,
    as_json: AsJson = False,
) -> None:
    """Replace the secret of a key; the old one, and every token made with it, is void at once."""
    from steelyard.service.access.key_file import rotate_key
    from steelyard.service.access.sealing import read_master_key

    made = rotate_key(
        keys, key_id, random=os.urandom, master=read_master_key(os.environ),
        public_key=_public(public_key),
    )  # fmt: skip
    _show_made(made, keys, as_json)


@keys_app.command()
def reseal(
    new_master: Annotated[
        Path,
        typer.Option("--new-master", help="A file with 64 hexadecimal digits, only its owner's."),
    ],
    keys: KeyFile = DEFAULT_FILE,
    as_json: AsJson = False,
) -> None:
    """Seal the signing secrets under a new master key; clients notice nothing."""
    from steelyard.cli.output import print_json
    from steelyard.service.access.key_file import reseal_keys
    from steelyard.service.access.sealing import master_missing, read_master_key

    old, new = read_master_key(os.environ), read_master_key({_FILE_VARIABLE: str(new_master)})
    if old is None or new is None:
        raise master_missing()
    count = reseal_keys(keys, old, new, random=os.urandom)
    if as_json:
        print_json({"resealed": count})
    else:
        typer.echo(f"{count} signing secrets are sealed under the new master key")


_FILE_VARIABLE = "STEELYARD_MASTER_KEY_FILE"


def _show_made(made: Created, path: Path, as_json: bool) -> None:
    """Print a new key and its secret: the only time that anyone sees it."""
    from steelyard.cli.output import print_json

    secret = made.secret.reveal() if made.secret is not None else None
    told: Mapping[str, object] = made.key.as_dict() | {"secret": secret, "file": str(path)}
    if as_json:
        print_json(told)
        return
    typer.echo(f"id       {made.key.id}")
    typer.echo(f"secret   {secret or 'the private key stays with its owner'}")
    typer.echo(f"scopes   {', '.join(made.key.scopes)}")
    accounts = made.key.accounts
    typer.echo(f"accounts {accounts if isinstance(accounts, str) else ', '.join(accounts)}")
    typer.echo(f"file     {path}")
    if secret:
        typer.echo("The secret is shown this once: keep it now.", err=True)


def _row(key: Key, now_us: int) -> tuple[str, ...]:
    state = "valid"
    if key.revoked_us is not None:
        state = f"revoked {_day(key.revoked_us)}"
    elif key.expires_us is not None and key.expires_us <= now_us:
        state = "expired"
    accounts = key.accounts if isinstance(key.accounts, str) else ", ".join(key.accounts)
    expires = "never" if key.expires_us is None else _day(key.expires_us)
    return key.id, key.label, key.kind, ", ".join(key.scopes), accounts, expires, state


def _day(time_us: int) -> str:
    return f"{datetime.fromtimestamp(time_us // 1_000_000, UTC):%Y-%m-%d %H:%M}"


def _listed(text: str, field: str) -> list[str]:
    """Return the words between commas. Errors: SERV-E05 for none."""
    from steelyard.quantities import InputError

    found = [part.strip() for part in text.split(",") if part.strip()]
    if not found:
        raise InputError("SERV-E05", f"--{field} names nothing", rule="words are separated by commas",
                         cure=f"write for example --{field} a,b", field=field)  # fmt: skip
    return found


def _words(text: str, known: tuple[str, ...], field: str) -> list[str]:
    return [_word(each, known, field) for each in _listed(text, field)]


def _word(text: str, known: tuple[str, ...], field: str) -> str:
    """Return a word of a list. Errors: SERV-E05 for another."""
    from steelyard.quantities import InputError

    if text not in known:
        raise InputError("SERV-E05", f"{text!r} is none of them", rule=f"one of {', '.join(known)}",
                         cure=f"write for example --{field} {known[0]}", field=field)  # fmt: skip
    return text


def _public(text: str | None) -> bytes | None:
    """Return the 32 bytes of a public key. Errors: SERV-E05."""
    from steelyard.quantities import InputError

    if text is None:
        return None
    try:
        return bytes.fromhex(text)
    except ValueError:
        raise InputError("SERV-E05", "the public key is no hexadecimal text", rule="64 hexadecimal digits",
                         cure="give the 32 bytes of the key in hexadecimal", field="public-key") from None  # fmt: skip
