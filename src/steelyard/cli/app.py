"""The commands. Each is thin: it reads arguments, calls one function of an edge, prints the result.

Exit codes: 0 ok, 1 a breach or a difference was found, 2 usage or bad input, 3 stale data, 4 corrupt.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import typer

from steelyard import __version__
from steelyard.cli import margin_asked
from steelyard.cli.client import client_app
from steelyard.cli.feeds import feeds_app
from steelyard.cli.keys import keys_app
from steelyard.cli.methods import methods_app

EXIT_OK, EXIT_BREACH, EXIT_USAGE, EXIT_STALE, EXIT_CORRUPT = range(5)

app = typer.Typer(
    name="steelyard",
    help="A real-time margin engine for crypto derivatives: revalue, require, decide, explain, replay.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,  # plain help answers in half the time
    context_settings={"help_option_names": ["-h", "--help"]},
)

app.add_typer(client_app)
app.add_typer(feeds_app)
app.add_typer(keys_app)
app.add_typer(methods_app)

AsJson = Annotated[bool, typer.Option("--json", help="Print the result as JSON on stdout.")]
Shards = Annotated[int, typer.Option(min=1, max=256, help="Shards that own the 256 account slots.")]
JournalOption = Annotated[
    Path | None, typer.Option("--journal", help="Where the journal is written (a new file).")
]
MethodOption = Annotated[
    Path | None, typer.Option("--method", help="Margin method (TOML); the house method without it.")
]
FundOption = Annotated[
    int, typer.Option("--insurance-fund", min=0, help="USDC in the insurance fund at the start.")
]
Jobs = Annotated[int, typer.Option(min=1, max=256, help="With --cases: so many processes.")]
PlotOption = Annotated[
    Path | None, typer.Option("--plot", help="Write the page of plots here (PNG).")
]


@app.callback(invoke_without_command=True)
def root(
    version: Annotated[bool, typer.Option("--version", help="Print the version.")] = False,
) -> None:
    """Show the version, or run a command."""
    if version:
        typer.echo(f"steelyard {__version__}")
        raise typer.Exit(EXIT_OK)


@app.command()
def demo(
    seed: Annotated[int, typer.Option(min=0, help="Seed of the market and the accounts.")] = 7,
    accounts: Annotated[str, typer.Option(help="population:N, or an account file.")] = (
        "population:10000"
    ),
    minutes: Annotated[
        int | None, typer.Option(min=1, max=44_640, help="Market time: 240, in the terminal 5.")
    ] = None,
    speed: Annotated[
        str | None,
        typer.Option(help="Market seconds a wall second, or max: 1, in the terminal 4."),
    ] = None,
    law: Annotated[str, typer.Option(help="calm, stress or crash.")] = "crash",
    shards: Shards = 1,
    journal: JournalOption = None,
    method: MethodOption = None,
    insurance_fund: FundOption = 5_000_000,
    in_terminal: Annotated[
        bool, typer.Option("--terminal", help="Show it in this terminal in place of the page.")
    ] = False,
    host: Annotated[str, typer.Option(help="Address of the page.")] = "127.0.0.1",
    port: Annotated[
        int, typer.Option(min=0, max=65_535, help="Port of the page; 0 for any free one.")
    ] = 8710,
    is_opened: Annotated[
        bool, typer.Option("--open/--no-open", help="Open the page in a browser.")
    ] = True,
    plot: PlotOption = None,
    as_json: AsJson = False,
) -> None:
    """Run a simulated venue live: on a page in the browser, or with --terminal here.

    It needs no data files and no network. With --json or --plot it runs to its end and reports.
    """
    from steelyard.cli.demo import demo_in_terminal, demo_on_page, has_page

    say = _say(as_json)
    stated = (seed, accounts, minutes, speed, law, shards, journal, method, insurance_fund)
    if in_terminal or as_json or plot is not None or not has_page(say):
        demo_in_terminal(*stated, plot, as_json, say)
    else:
        raise typer.Exit(demo_on_page(*stated, host, port, say, is_opened=is_opened))


@app.command()
def serve(
    config: Annotated[
        Path | None, typer.Argument(help="The document of the service (TOML); defaults without it.")
    ] = None,
    host: Annotated[str | None, typer.Option(help="Address to listen on.")] = None,
    port: Annotated[int | None, typer.Option(help="Port to listen on; 0 for any free one.")] = None,
    accounts: Annotated[
        str | None, typer.Option(help="population:N, an account file, or none.")
    ] = None,
    journal: JournalOption = None,
    is_opened: Annotated[
        bool, typer.Option("--open/--no-open", help="Open the page in a browser.")
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Serve the API and the page over a running engine, until Ctrl-C.

    Without a document it is the simulated market. Variables STEELYARD_SECTION_FIELD override the
    document, options override both. With --json the addresses are one line on stdout.
    """
    from steelyard.cli.serve import serve_command
    from steelyard.cli.serve_options import configured

    stated = configured(config, host=host, port=port, accounts=accounts, journal=journal)
    say = _say(as_json)
    raise typer.Exit(serve_command(stated, say, is_opened=is_opened, as_json=as_json))


@app.command()
def run(
    market: Annotated[
        Path | None, typer.Option(help="Folder or file of a recorded market.")
    ] = None,
    from_: Annotated[
        str | None, typer.Option("--from", help="First instant, ISO 8601 UTC.")
    ] = None,
    to: Annotated[
        str | None, typer.Option("--to", help="Instant after the last, ISO 8601 UTC.")
    ] = None,
    live: Annotated[
        Path | None, typer.Option("--live", help="In place of a recording: the feeds' document.")
    ] = None,
    for_seconds: Annotated[
        float | None, typer.Option("--for", min=0.1, help="With --live: end after so many seconds.")
    ] = None,
    record: Annotated[
        Path | None, typer.Option(help="With --live: record the raw frames in this folder.")
    ] = None,
    chain: Annotated[
        Path | None, typer.Option(help="Folder or file of a recorded option chain.")
    ] = None,
    surface: Annotated[
        bool,
        typer.Option("--surface", help="Fit the chain's surface and take volatilities from it."),
    ] = False,
    accounts: Annotated[str, typer.Option(help="population:N, or an account file.")] = (
        "population:10000"
    ),
    seed: Annotated[int, typer.Option(min=0, help="Seed of a generated population.")] = 7,
    shards: Shards = 1,
    speed: Annotated[str, typer.Option(help="Market seconds a wall second, or max.")] = "max",
    journal: JournalOption = None,
    method: MethodOption = None,
    insurance_fund: FundOption = 5_000_000,
    plot: PlotOption = None,
    view: Annotated[
        bool | None,
        typer.Option(help="Show the live view instead of a progress bar; with --live it is shown."),
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Run the engine over a recorded market, or over live feeds.

    A recording needs --market, --from and --to; feeds need --live and the extra `feeds`.
    """
    from steelyard.cli.run_command import Asked, run_command

    run_command(
        Asked(
            market, from_, to, live, for_seconds, record, chain, surface, accounts, seed, shards,
            speed, journal, method, insurance_fund, plot, view, as_json,
        ),
        _say(as_json),
    )  # fmt: skip


@app.command()
def replay(
    journal: Annotated[Path, typer.Argument(help="A journal written by run or demo.")],
    verify: Annotated[
        bool, typer.Option("--verify", help="Check every byte, outcome and state hash.")
    ] = False,
    shards: Shards = 1,
    to_seq: Annotated[int | None, typer.Option(min=1, help="Stop after this event.")] = None,
    salvage: Annotated[
        Path | None,
        typer.Option(help="Copy the sound beginning of a damaged journal here, and stop."),
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Replay a journal and compare it with its record.

    Every outcome and every state hash is recomputed; exit code 1 names the first difference,
    4 a damaged byte.
    """
    from steelyard.cli.replay import replay_command

    raise typer.Exit(replay_command(journal, verify, shards, to_seq, salvage, as_json))


@app.command()
def explain(
    account: Annotated[
        str | None,
        typer.Argument(help="An account or an isolated position; the worst off without it."),
    ] = None,
    journal: Annotated[
        Path | None, typer.Option("--journal", help="A journal; the newest one here without it.")
    ] = None,
    seq: Annotated[
        int | None, typer.Option(min=1, help="Explain after this event, not the decision.")
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Answer "why?" for an account, part by part.

    Shows the requirement as the engine saw it in its gravest decision on the account, the scenario
    that binds, and the account's story.
    """
    from steelyard.cli.explain import explain_command

    raise typer.Exit(explain_command(account, journal, seq, as_json))


@app.command()
def margin(
    accounts: Annotated[Path | None, typer.Argument(help="Accounts: CSV, Parquet or JSON.")] = None,
    cases: margin_asked.Cases = None,
    jobs: margin_asked.Processes = 1,
    explain: margin_asked.Explain = False,
    html: margin_asked.Html = None,
    methods: margin_asked.Folder = None,
    prices: margin_asked.Prices = False,
    cure: margin_asked.Cure = False,
    wanted: margin_asked.Wanted = 1.0,
    level: margin_asked.Level = "initial",
    taker_fee: margin_asked.TakerFee = 0.0,
    market: Annotated[
        Path | None, typer.Option(help="Recorded market for the prices; simulated without it.")
    ] = None,
    chain: Annotated[Path | None, typer.Option(help="Recorded option chain.")] = None,
    at: Annotated[str, typer.Option(help="Instant of the prices, ISO 8601 UTC.")] = (
        "2025-10-10T21:10:00Z"
    ),
    method: MethodOption = None,
    parts: Annotated[bool, typer.Option(help="Show every part of every requirement.")] = False,
    as_json: AsJson = False,
) -> None:
    """State the margin of the accounts in a file, or of cases under the venues' methods.

    Exit code 1 if an account is below its requirement, 2 if a case is an error.
    """
    if (accounts is None) == (cases is None):
        raise typer.BadParameter("give a file of accounts, or --cases FILE")
    asked = margin_asked.Asked(explain, html, methods, prices, cure, wanted, level, taker_fee)
    if cases is not None:
        raise typer.Exit(margin_asked.cases_command(cases, asked, jobs, as_json=as_json))
    margin_asked.refuse_without_cases(asked)
    from steelyard.cli.margin import margin_command

    assert accounts is not None
    raise typer.Exit(margin_command(accounts, market, chain, at, method, parts, as_json))


@app.command()
def price(
    cases: Annotated[
        Path | None, typer.Option(help="File of cases, one JSON object a line; - is stdin.")
    ] = None,
    jobs: Jobs = 1,
    is_call: Annotated[bool, typer.Option("--call/--put", help="Kind of the option.")] = True,
    forward: Annotated[float | None, typer.Option(help="Forward price (Black-76).")] = None,
    spot: Annotated[float | None, typer.Option(help="Spot price (Black-Scholes).")] = None,
    strike: Annotated[float | None, typer.Option(help="Strike price.")] = None,
    volatility: Annotated[float | None, typer.Option(help="Per year, 0.6 is 60 %.")] = None,
    price: Annotated[float | None, typer.Option(help="In place of the volatility.")] = None,
    days: Annotated[float | None, typer.Option(help="Days to expiry.")] = None,
    rate: Annotated[float, typer.Option(help="Rate per year, 0.04 is 4 %.")] = 0.0,
    dividend_yield: Annotated[float, typer.Option(help="Yield of the spot per year.")] = 0.0,
    inverse: Annotated[
        bool, typer.Option("--inverse", help="Also state the price in coins.")
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Price one option, or the cases of a file.

    With --cases each line of the file names its method (bsm, black76, implied-volatility, heston,
    svi) and gets one line of JSON; exit code 2 if a line is wrong. Else: price and Greeks of one
    option, or the volatility of a price.
    """
    from steelyard.cli.price import Asked, cases_command, option_command

    if cases is not None:
        raise typer.Exit(cases_command(cases, jobs))
    asked = Asked(
        is_call, strike, days, forward, spot, rate, dividend_yield, volatility, price, inverse
    )
    raise typer.Exit(option_command(asked, as_json))


@app.command()
def risk(
    cases: Annotated[Path, typer.Option(help="File of cases, one JSON object a line; - is stdin.")],
    jobs: Jobs = 1,
) -> None:
    """State risk measures, coverage tests, bonds and credit default swaps for the cases of a file.

    Each line names its method (var-es-historical, var-es-parametric, coverage-tests, bond, cds) and
    gets one line of JSON; exit code 2 if a line is wrong.
    """
    from steelyard.cli.risk import risk_command

    raise typer.Exit(risk_command(cases, jobs))


@app.command()
def surface(
    chain: Annotated[
        Path, typer.Argument(help="A chain: CSV, CSV.gz or Parquet, or a folder of them.")
    ],
    snapshot: Annotated[
        str | None, typer.Option(help="Name of the snapshot; the first one without it.")
    ] = None,
    every: Annotated[
        bool, typer.Option("--all", help="Fit every snapshot; print how large the errors are.")
    ] = False,
    underlying: Annotated[str | None, typer.Option(help="Only this one, as BTC.")] = None,
    target: Annotated[str, typer.Option(help="Fit to mid (of bid and ask) or mark.")] = "mid",
    time: Annotated[
        str | None, typer.Option(help="When the quotes were, ISO 8601 UTC, if the file is silent.")
    ] = None,
    prices: Annotated[
        str | None, typer.Option(help="coin or usd; by the name of the underlying without it.")
    ] = None,
    stale_after: Annotated[
        float | None, typer.Option(help="Leave out quotes older than so many seconds.")
    ] = None,
    out: Annotated[
        Path | None, typer.Option(help="Write data and plots here; nothing is written without it.")
    ] = None,
    png: Annotated[bool, typer.Option(help="With --out: four pictures.")] = True,
    html: Annotated[bool, typer.Option(help="With --out: one page that opens offline.")] = True,
    quotes: Annotated[bool, typer.Option("--quotes", help="With --json: every quote.")] = False,
    as_json: AsJson = False,
) -> None:
    """Fit the volatility surface of an option chain, and say how well.

    Exit code 1 if the surface allows arbitrage, 2 if an underlying gives none.
    """
    from steelyard.cli.surface import Request, surface_command

    asked = Request(
        chain, snapshot, every, underlying, target, time, prices, stale_after, out, png, html,
        as_json, quotes,
    )  # fmt: skip
    raise typer.Exit(surface_command(asked))


@app.command("market-report")
def market_report(
    market: Annotated[Path, typer.Argument(help="Folder or file of a recorded market.")],
    from_: Annotated[str, typer.Option("--from", help="First instant, ISO 8601 UTC.")],
    to: Annotated[str, typer.Option("--to", help="Instant after the last, ISO 8601 UTC.")],
    asset: Annotated[
        str | None, typer.Option(help="Only these, as BTC,ETH; all that have a source without it.")
    ] = None,
    method: MethodOption = None,
    with_derivatives: Annotated[
        bool,
        typer.Option("--with-derivatives", help="Compare: perpetuals as index sources too."),
    ] = False,
    only: Annotated[
        str | None, typer.Option(help="Compare only these sources alone, as coinbase:BTC-USD.")
    ] = None,
    out: Annotated[
        Path | None, typer.Option(help="Write data, plots and a page here; nothing without it.")
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Report how the index of a recording stood against its sources.

    Error, lag, exclusions, conditions, mark age, and what each single source alone would have
    done. Exit code 1 if an index left its bound, 3 if no asset ever had a quorum.
    """
    from steelyard.cli.market_report import Request, market_report_command

    asked = Request(market, from_, to, asset, method, out, as_json, with_derivatives, only)
    raise typer.Exit(market_report_command(asked))


@app.command()
def doctor(
    warm: Annotated[bool, typer.Option("--warm", help="Compile the kernels now.")] = False,
    as_json: AsJson = False,
) -> None:
    """Check whether this machine is fit to decide.

    Versions, fused multiply-add, exact kernels, the disk's flush, the journal.
    """
    from steelyard.cli.doctor import doctor_command

    raise typer.Exit(doctor_command(warm, as_json))


def _say(as_json: bool):  # type: ignore[no-untyped-def]  # a small closure over stderr
    """Return what tells the user, on stderr, what is being prepared."""

    def say(text: str) -> None:
        if not as_json or sys.stderr.isatty():
            print(f"steelyard: {text}", file=sys.stderr)

    return say


def main() -> None:
    """Run the command line; expected failures become one line and an exit code."""
    from steelyard.quantities.errors import JournalError, MarketError, SteelyardError

    try:
        app()
    except SteelyardError as error:
        from steelyard.cli.failures import show_error

        show_error(error)
        if isinstance(error, JournalError):
            sys.exit(EXIT_CORRUPT)
        sys.exit(EXIT_STALE if isinstance(error, MarketError) else EXIT_USAGE)
    except BrokenPipeError:
        sys.stderr.close()
        sys.exit(EXIT_OK)


if __name__ == "__main__":
    main()
