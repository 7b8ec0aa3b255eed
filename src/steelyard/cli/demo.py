"""`steelyard demo`: the simulated venue on its page, or in the terminal."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from steelyard.cli.serve import require_extra, serve_command
from steelyard.cli.session import journal_path
from steelyard.cli.wiring import parse_speed, simulated_session
from steelyard.quantities import InputError
from steelyard.service.config import (
    AccountsSection,
    EngineSection,
    MarketSection,
    ServeConfig,
    ServerSection,
    checked,
)

PAGE_MINUTES, TERMINAL_MINUTES = 240, 5
PAGE_SPEED, TERMINAL_SPEED = "1", "4"
AS_FAST_AS_IT_GOES = 1e6
FALL_AFTER_S = 60
Say = Callable[[str], None]


def demo_in_terminal(
    seed: int,
    accounts: str,
    minutes: int | None,
    speed: str | None,
    law: str,
    shards: int,
    journal: Path | None,
    method: Path | None,
    insurance_fund: int,
    plot: Path | None,
    as_json: bool,
    say: Say,
) -> None:
    """Run the simulated venue to its end in this terminal. Errors: CLIC-E02, CLIC-E03 and those of accounts."""
    from steelyard.cli.run import run_session

    factor = parse_speed(speed or TERMINAL_SPEED)
    session = simulated_session(
        seed, accounts, 60 * (minutes or TERMINAL_MINUTES), law, shards, journal, method,
        insurance_fund, say,
    )  # fmt: skip
    run_session(session, f"simulated venue, seed {seed}", factor, as_json, plot, is_live=True)


def demo_on_page(
    seed: int,
    accounts: str,
    minutes: int | None,
    speed: str | None,
    law: str,
    shards: int,
    journal: Path | None,
    method: Path | None,
    insurance_fund: int,
    host: str,
    port: int,
    say: Say,
    *,
    is_opened: bool,
) -> int:
    """Serve the simulated venue on its page until Ctrl-C; return the exit code.

    Errors: CLIC-E02, CLIC-E03, SERV-E03, WEBT-E08 and those of accounts.
    """
    factor = parse_speed(speed or PAGE_SPEED)
    path = journal_path(journal, "steelyard-demo", f"demo-{seed}")
    market = MarketSection(
        seed=seed, law=law, minutes=minutes or PAGE_MINUTES,  # type: ignore[arg-type]
        speed=AS_FAST_AS_IT_GOES if factor is None else factor, fall_after_s=FALL_AFTER_S,
    )  # fmt: skip
    config = ServeConfig(
        engine=EngineSection(
            journal=str(path), method="" if method is None else str(method), shards=shards,
            insurance_fund_usd=insurance_fund,
        ),
        market=market,
        accounts=AccountsSection(source=accounts, seed=seed),
        server=ServerSection(host=host, port=port),
    )  # fmt: skip
    status = serve_command(checked(config), say, is_opened=is_opened, as_json=False)
    say("afterwards: steelyard explain   why the worst-off account was liquidated")
    say(f"steelyard replay {path} --verify   the same events, the same hash")
    return status


def has_page(say: Say) -> bool:
    """Return whether the page can be served here; where it cannot, say why the terminal is used."""
    try:
        require_extra()
    except InputError as error:
        say(f"{error.message}: the terminal view instead; {error.cure}")
        return False
    return True
