"""`steelyard client`: ask a service, and watch its channels, from the shell.

A key comes by --key and --secret, or by STEELYARD_CLIENT_KEY and STEELYARD_CLIENT_SECRET, which no list of processes
shows; it is never printed. Exit codes: 0, 2 for what was typed, 1 where the service refuses or does not answer.
"""

from __future__ import annotations

from collections.abc import Callable, Coroutine
from typing import TYPE_CHECKING, Annotated, Any

import typer

if TYPE_CHECKING:
    from steelyard.service.client import Client

client_app = typer.Typer(
    name="client",
    help="Ask a running service: call, watch, methods.",
    no_args_is_help=True,
    rich_markup_mode=None,
    context_settings={"help_option_names": ["-h", "--help"]},
)

EXIT_REFUSED = 1
DEFAULT_URL = "ws://127.0.0.1:8710"

Url = Annotated[
    str, typer.Option("--url", envvar="STEELYARD_CLIENT_URL", help="Any address of the service.")
]
KeyId = Annotated[
    str, typer.Option("--key", envvar="STEELYARD_CLIENT_KEY", help="The id of a key.")
]
Secret = Annotated[
    str,
    typer.Option(
        "--secret", envvar="STEELYARD_CLIENT_SECRET", show_default=False,
        help="Its secret; better in the environment.",
    ),
]  # fmt: skip
Signed = Annotated[bool, typer.Option("--signed", help="A key of kind hmac: sign, do not send it.")]
Timeout = Annotated[float, typer.Option(min=0.1, help="Seconds to wait for an answer.")]
AsJson = Annotated[bool, typer.Option("--json", help="Print the result as JSON on stdout.")]


@client_app.command()
def call(
    method: Annotated[str, typer.Argument(help="A method, as public/ticker.")],
    params: Annotated[
        list[str] | None,
        typer.Argument(metavar="[KEY=VALUE]...", help="Parameters; a value is JSON, else text."),
    ] = None,
    url: Url = DEFAULT_URL,
    key_id: KeyId = "",
    secret: Secret = "",
    signed: Signed = False,
    timeout: Timeout = 10.0,
    as_json: AsJson = False,
) -> None:
    """Call a method and print its result: as lines of names and values, or with --json as it came.

    steelyard client call public/ticker instrument_name=BTC-PERPETUAL
    """
    asked = pairs(params or [])

    async def work(client: Client) -> Any:
        return await client.call(method, asked)

    found = _run(work, url, key_id, secret, signed, timeout)
    if as_json:
        from steelyard.cli.output import print_json

        print_json(found)
        return
    for line in lines_of(found):
        typer.echo(line)


@client_app.command()
def watch(
    channels: Annotated[list[str], typer.Argument(help="Channels, as accounts.200ms.")],
    count: Annotated[
        int | None, typer.Option(min=1, help="End after so many lines; else with Ctrl-C.")
    ] = None,
    url: Url = DEFAULT_URL,
    key_id: KeyId = "",
    secret: Secret = "",
    signed: Signed = False,
    timeout: Timeout = 10.0,
) -> None:
    """Print what channels tell, a line of JSON each: {"channel": …, "data": …}.

    It goes on after gaps and lost connections, with a new snapshot.
    """
    import asyncio
    import sys

    import msgspec

    async def work(client: Client) -> None:
        left = count
        done = asyncio.Event()

        async def follow(channel: str) -> None:
            nonlocal left
            async for data in client.subscribe(channel, as_type=msgspec.Raw):
                if left == 0:
                    return
                line = msgspec.json.encode({"channel": channel, "data": data})
                sys.stdout.write(line.decode() + "\n")
                sys.stdout.flush()
                if left is not None:
                    left -= 1
                    if left == 0:
                        done.set()
                        return

        following = [asyncio.ensure_future(follow(name)) for name in dict.fromkeys(channels)]
        ending = asyncio.ensure_future(done.wait())
        try:
            ended, _ = await asyncio.wait([*following, ending], return_when=asyncio.FIRST_COMPLETED)
            for task in ended:
                task.result()
        finally:
            for task in (*following, ending):
                task.cancel()
            await asyncio.gather(*following, ending, return_exceptions=True)

    try:
        _run(work, url, key_id, secret, signed, timeout)
    except KeyboardInterrupt:
        raise typer.Exit(0) from None


@client_app.command()
def methods(
    url: Url = DEFAULT_URL,
    timeout: Timeout = 10.0,
    as_json: AsJson = False,
) -> None:
    """List the methods of a service: scope, cost, parameters (those that are needed come first)."""

    async def work(client: Client) -> Any:
        return await client.call("rpc.discover")

    found = _run(work, url, "", "", False, timeout)
    from steelyard.cli.output import console, print_json

    if as_json:
        print_json(found)
        return
    from rich.table import Table

    table = Table(box=None, pad_edge=False, header_style="bold")
    for title in ("method", "scope", "credits", "parameters", "what"):
        table.add_column(title, overflow="fold")
    for each in found["methods"]:
        given = [*each.get("params", [])]
        given.sort(key=lambda one: not one.get("required", False))
        names = ", ".join(
            one["name"] if one.get("required") else f"[{one['name']}]" for one in given
        )
        table.add_row(
            each["name"], str(each.get("x-scope", "")), str(each.get("x-credits", "")), _plain(names),
            each.get("summary", ""),
        )  # fmt: skip
    console().print(table)


def pairs(words: list[str]) -> dict[str, Any]:
    """Return parameters of KEY=VALUE words. Errors: CLNT-E06.

    >>> pairs(["instrument_name=BTC-PERPETUAL", "amount=1.5", "order_id=\\"7\\"", "as=null"])
    {'instrument_name': 'BTC-PERPETUAL', 'amount': 1.5, 'order_id': '7', 'as': None}
    """
    import msgspec

    from steelyard.quantities import InputError

    found: dict[str, Any] = {}
    for word in words:
        name, sign, text = word.partition("=")
        if not sign or not name or name in found:
            raise InputError(
                "CLNT-E06", f"{word[:80]!r} is {'there twice' if name in found else 'no parameter'}",
                rule="a parameter is KEY=VALUE, once", cure="write it as instrument_name=BTC-PERPETUAL",
                argument=name[:80],
            )  # fmt: skip
        try:
            found[name] = msgspec.json.decode(text)
        except msgspec.DecodeError:
            found[name] = text
    return found


def lines_of(found: Any, path: str = "") -> list[str]:
    """Return a result as lines of a dotted name and a value.

    >>> lines_of({"a": {"b": 1.5, "c": [True, None]}})
    ['a.b  1.5', 'a.c.0  true', 'a.c.1  null']
    """
    import msgspec

    inner: list[tuple[Any, Any]] = []
    if isinstance(found, dict):
        inner = list(found.items())
    elif isinstance(found, list):
        inner = list(enumerate(found))
    if inner:
        return [
            line
            for name, value in inner
            for line in lines_of(value, f"{path}.{name}" if path else str(name))
        ]
    text = found if isinstance(found, str) else msgspec.json.encode(found).decode()
    return [f"{path}  {text}" if path else text]


def _plain(text: str) -> str:
    return text.replace("[", "\\[")


def _run(
    work: Callable[[Client], Coroutine[Any, Any, Any]],
    url: str, key_id: str, secret: str, signed: bool, timeout_s: float,
) -> Any:  # fmt: skip
    """Return what is done with a client; a refusal, or no answer, is told and ends with exit code 1."""
    import asyncio

    try:
        from steelyard.service.client import Client, Disconnected, NoAnswer, Refused
    except ImportError as error:
        from steelyard.quantities import InputError

        raise InputError(
            "SERV-E07", f"the client needs {error.name}", rule="it is in the extra service",
            cure="pip install 'steelyard[service]'", package=error.name or "",
        ) from None  # fmt: skip

    async def done() -> Any:
        proof: dict[str, Any] = {"key_id": key_id, "secret": secret, "is_signed": signed}
        async with Client(url, timeout_s=timeout_s, **proof) as client:
            return await work(client)

    try:
        return asyncio.run(done())
    except (Refused, Disconnected, NoAnswer) as error:
        from steelyard.cli.failures import show_error

        show_error(error)
        raise typer.Exit(EXIT_REFUSED) from None
