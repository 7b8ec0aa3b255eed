"""`steelyard feeds`: what feeds there are, whether one's own work, a recording of them, and its replay."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

feeds_app = typer.Typer(
    name="feeds",
    help="Live prices: list the venues, check a document, record, replay.",
    no_args_is_help=True,
    rich_markup_mode=None,
    context_settings={"help_option_names": ["-h", "--help"]},
)

Document = Annotated[Path, typer.Argument(help="The document of the feeds (TOML).")]
AsJson = Annotated[bool, typer.Option("--json", help="Print the result as JSON on stdout.")]
Method = Annotated[
    Path | None, typer.Option("--method", help="Margin method (TOML); the house method without it.")
]


@feeds_app.command("list")
def list_(as_json: AsJson = False) -> None:
    """List the venues and oracle networks that can be followed, with their limits."""
    from steelyard.cli.feeds_list import list_command

    raise typer.Exit(list_command(as_json))


@feeds_app.command()
def check(
    config: Document,
    seconds: Annotated[float, typer.Option(min=0.1, max=3600, help="How long to listen.")] = 10.0,
    method: Method = None,
    as_json: AsJson = False,
) -> None:
    """Connect, listen for a while, and say of every source whether its price counts.

    Exit code 1 if a source is bad or an index has no quorum, 2 if the document is wrong, 3 if prices
    are merely old.
    """
    from steelyard.cli.feeds_board import require_extra

    require_extra()
    from steelyard.cli.feeds_check import check_command

    raise typer.Exit(check_command(config, seconds, method, as_json))


@feeds_app.command()
def record(
    config: Document,
    out: Annotated[Path, typer.Option(help="Folder for the recording; it holds none yet.")],
    seconds: Annotated[
        float, typer.Option(min=0.1, max=31_536_000, help="How long; Ctrl-C ends it earlier.")
    ] = 60.0,
    compress: Annotated[bool, typer.Option("--compress", help="Write gzip.")] = False,
    method: Method = None,
    as_json: AsJson = False,
) -> None:
    """Record every raw frame, so that it can be replayed bit for bit.

    Exit code 3 if no price came.
    """
    from steelyard.cli.feeds_board import require_extra

    require_extra()
    from steelyard.cli.feeds_record import record_command

    raise typer.Exit(record_command(config, out, seconds, compress, method, as_json))


@feeds_app.command()
def replay(
    recording: Annotated[Path, typer.Argument(help="A folder, or a file, of recorded frames.")],
    config: Annotated[Path, typer.Option("--config", help="The document it was recorded with.")],
    method: Method = None,
    as_json: AsJson = False,
) -> None:
    """Read a recording through the same clients into events, indices and marks.

    Exit code 4 if the recording is damaged before its end.
    """
    from steelyard.cli.feeds_board import require_extra

    require_extra()
    from steelyard.cli.feeds_record import replay_command

    raise typer.Exit(replay_command(recording, config, method, as_json))
