"""`steelyard methods sign|verify`: a signature file beside a document, and whether it holds."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import msgspec

from steelyard.cli.failures import show_error
from steelyard.cli.method_library import found
from steelyard.cli.output import print_json
from steelyard.quantities import InputError, TermsError
from steelyard.terms.documents import sign, verify
from steelyard.terms.documents.signing import (
    check_signed_at,
    new_key,
    parse_public_key,
    read_private_key,
    read_signature,
    signature_name,
    write_signature,
)

EXIT_CORRUPT = 4


def sign_command(
    name: str | None, key: Path | None, fresh: Path | None, out: Path | None, signed_at: str | None,
    folder: Path | None, as_json: bool,
) -> int:  # fmt: skip
    """Make a key, sign a document, or both; exit code 0."""
    if (key is None) == (fresh is None) or (name is None and fresh is None):
        raise InputError(
            "DOCU-E03", "a document is signed with --key, or with --new-key",
            rule="one of --key and --new-key is given; a document may be left out only with --new-key",
            cure="make a key: steelyard methods sign --new-key FILE", field="key",
        )  # fmt: skip
    document = None if name is None else found(name, folder=folder)
    at = signed_at or f"{datetime.now(UTC):%Y-%m-%dT%H:%M:%SZ}"
    check_signed_at(at)
    told: dict[str, Any] = {}
    path = key
    file = None if document is None else out or Path(signature_name(document))
    if file is not None and not file.parent.is_dir():
        raise _unwritable(file, "its folder is not there")
    if fresh is not None:
        told = {"key": str(fresh), "public_key": new_key(fresh).hex()}
        path = fresh
    if document is not None and path is not None and file is not None:
        signature = sign(document, read_private_key(path), at)
        try:
            write_signature(signature, file)
        except OSError as error:
            raise _unwritable(file, str(error.strerror)) from None
        told |= {"file": str(file), **msgspec.to_builtins(signature)}
    _tell(told, as_json)
    return 0


def verify_command(
    name: str, signature: Path, public_key: str | None, folder: Path | None, as_json: bool
) -> int:
    """Say whose signature of a document this is; exit code 4 if it does not verify."""
    document = found(name, folder=folder)
    expected = None if public_key is None else parse_public_key(public_key)
    by = read_signature(signature)
    try:
        verify(document, by, expected)
    except TermsError as error:
        show_error(error)
        return EXIT_CORRUPT
    told = {"is_verified": True, "is_key_expected": expected is not None, **msgspec.to_builtins(by)}
    _tell(told, as_json)
    if expected is None and not as_json:
        print("the content is what this key signed; give --public-key to say whose key it must be")
    return 0


def _unwritable(file: Path, why: str) -> InputError:
    return InputError(
        "DOCU-E04", f"the signature cannot be written: {why}",
        rule="the folder of the signature can be written", cure="name another file: --out FILE",
        file=file,
    )  # fmt: skip


def _tell(told: dict[str, Any], as_json: bool) -> None:
    if as_json:
        print_json(told)
        return
    for name, value in told.items():
        print(f"{name:<16} {str(value).lower() if isinstance(value, bool) else value}")
