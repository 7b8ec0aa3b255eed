"""`steelyard methods`: margin methods as documents: list, show, lint, compare, sign, verify, their schema."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

methods_app = typer.Typer(
    name="methods",
    help="Margin methods as documents: list, show, lint, compare, sign, verify.",
    no_args_is_help=True,
    rich_markup_mode=None,
    context_settings={"help_option_names": ["-h", "--help"]},
)

Named = Annotated[
    str, typer.Argument(help="A method, as paradex-pm or paradex-pm@2026.1, or a file.")
]
AsJson = Annotated[bool, typer.Option("--json", help="Print the result as JSON on stdout.")]
Folder = Annotated[
    Path | None, typer.Option("--folder", help="Also know the documents of this folder.")
]
At = Annotated[
    str | None, typer.Option("--at", help="The version that held at this instant, ISO 8601 UTC.")
]


@methods_app.command("list")
def list_(folder: Folder = None, as_json: AsJson = False) -> None:
    """List every version of every method: since when, which core, currency, hash, source."""
    from steelyard.cli.methods_show import list_command

    raise typer.Exit(list_command(folder, as_json))


@methods_app.command()
def show(
    name: Named,
    version: Annotated[str | None, typer.Option("--version", help="The newest without it.")] = None,
    at: At = None,
    folder: Folder = None,
    as_json: AsJson = False,
    as_toml: Annotated[bool, typer.Option("--toml", help="Print the document as TOML.")] = False,
) -> None:
    """Show a method: its parameters with their units, and its rules."""
    from steelyard.cli.methods_show import show_command

    raise typer.Exit(show_command(name, version, at, folder, as_json, as_toml))


@methods_app.command()
def lint(name: Named, at: At = None, folder: Folder = None, as_json: AsJson = False) -> None:
    """Say what is dangerous in a method.

    Exit code 1 if an error was found, 2 if the document cannot be used at all.
    """
    from steelyard.cli.methods_show import lint_command

    raise typer.Exit(lint_command(name, at, folder, as_json))


@methods_app.command()
def diff(
    before: Named,
    after: Named,
    folder: Folder = None,
    cases: Annotated[
        Path | None,
        typer.Option(help="Also margin these cases under both, JSON lines; - for stdin."),
    ] = None,
    jobs: Annotated[int, typer.Option(min=1, max=256, help="Processes, with --cases.")] = 1,
    as_json: AsJson = False,
) -> None:
    """Compare two methods, path by path, and the accounts that the difference hits.

    Exit code 1 if they differ, 2 if a case is an error.
    """
    from steelyard.cli.methods_show import diff_command

    raise typer.Exit(diff_command(before, after, folder, as_json, cases, jobs))


@methods_app.command()
def sign(
    name: Annotated[
        str | None, typer.Argument(help="A method or a file; with --new-key it may be left out.")
    ] = None,
    key: Annotated[
        Path | None, typer.Option("--key", help="Private key: 64 hexadecimal digits, or PEM.")
    ] = None,
    new_key: Annotated[
        Path | None, typer.Option("--new-key", help="Make a key and write it to this new file.")
    ] = None,
    out: Annotated[
        Path | None, typer.Option(help="The signature's file; NAME-VERSION.sig without it.")
    ] = None,
    signed_at: Annotated[
        str | None, typer.Option("--signed-at", help="Instant of the signature; now without it.")
    ] = None,
    folder: Folder = None,
    as_json: AsJson = False,
) -> None:
    """Sign a method with Ed25519, in a file beside it."""
    from steelyard.cli.methods_sign import sign_command

    raise typer.Exit(sign_command(name, key, new_key, out, signed_at, folder, as_json))


@methods_app.command()
def verify(
    name: Named,
    signature: Annotated[Path, typer.Option("--signature", help="The signature's file.")],
    public_key: Annotated[
        str | None, typer.Option("--public-key", help="Whose signature it must be, as hexadecimal.")
    ] = None,
    folder: Folder = None,
    as_json: AsJson = False,
) -> None:
    """Verify a signature of a method.

    Exit code 4 if it does not verify. Without --public-key it shows that the content is whole, not
    who signed it.
    """
    from steelyard.cli.methods_sign import verify_command

    raise typer.Exit(verify_command(name, signature, public_key, folder, as_json))


@methods_app.command()
def schema() -> None:
    """Print the JSON Schema of a document."""
    from steelyard.terms.documents.schema import schema_bytes

    typer.echo(schema_bytes().decode(), nl=False)
