"""All connections of a document at work: their events, as the engine is free to take them."""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncIterator, Callable, Coroutine, Mapping
from contextlib import suppress
from typing import Any, Protocol

from steelyard.feeds.live.config import ConnectionRow, refused
from steelyard.feeds.live.connection import ConnectionRules, Health, RawLog, run_connection
from steelyard.feeds.live.driver import LiveDriver
from steelyard.feeds.live.messages import Message
from steelyard.feeds.live.registry import client_maker
from steelyard.ticks.events import Event

_LOOK_S = 0.05  # a book that waits for its interval is told within this


class Runner(Protocol):
    """Keeps one connection of a document alive until `stop`; oracle networks bring their own."""

    def __call__(
        self,
        row: ConnectionRow,
        *,
        on_messages: Callable[[str, list[Message], int], None],
        on_health: Callable[[Health], None],
        clock: Callable[[], int],
        stop: asyncio.Event,
        raw_log: RawLog | None,
        rules: ConnectionRules | None,
    ) -> Coroutine[Any, Any, Health]: ...


def token_headers(row: ConnectionRow, environment: Mapping[str, str]) -> dict[str, str]:
    """Return the header that carries a connection's token. Errors: LIVE-E07 when it is not there.

    >>> row = ConnectionRow("one", "deribit", [], token_variable="ONE_TOKEN")
    >>> token_headers(row, {"ONE_TOKEN": "abc"})
    {'Authorization': 'Bearer abc'}
    """
    if row.token_variable is None:
        return {}
    token = environment.get(row.token_variable, "")
    if not token or not token.isprintable() or not token.isascii():
        raise refused(
            "LIVE-E07",
            f"the environment variable {row.token_variable} holds no token",
            "a connection with a token_variable finds its token there",
            "set the variable before the start",
            connection=row.name,
            field="token_variable",
        )
    return {"Authorization": f"Bearer {token}"}


def run_venue(
    row: ConnectionRow,
    *,
    on_messages: Callable[[str, list[Message], int], None],
    on_health: Callable[[Health], None],
    clock: Callable[[], int],
    stop: asyncio.Event,
    raw_log: RawLog | None,
    rules: ConnectionRules | None,
) -> Coroutine[Any, Any, Health]:
    """Return the work of one exchange's connection. Errors: LIVE-E04, LIVE-E07."""
    return run_connection(
        row.name,
        client_maker(row.venue),
        row.subscriptions(),
        on_messages=on_messages,
        on_health=on_health,
        clock=clock,
        stop=stop,
        base_url=row.websocket_url,
        rest_url=row.rest_url,
        headers=token_headers(row, os.environ),
        raw_log=raw_log,
        rules=rules,
    )


async def live_events(
    driver: LiveDriver,
    *,
    clock: Callable[[], int],
    stop: asyncio.Event,
    raw_log: RawLog | None = None,
    rules: ConnectionRules | None = None,
    runners: Mapping[str, Runner] | None = None,
) -> AsyncIterator[list[Event]]:
    """Yield the listings of all sources, then every time the events that gathered, until `stop`.

    While the caller is busy with one list the next one gathers. runners: by venue, for those that are not
    run by `run_venue`. What a connection raises ends the whole; losing a venue is no such thing.
    """
    filled = asyncio.Event()

    def on_messages(connection: str, messages: list[Message], received_us: int) -> None:
        driver.on_messages(connection, messages, received_us)
        filled.set()

    def on_health(health: Health) -> None:
        driver.on_health(health)
        filled.set()

    tasks = [
        asyncio.create_task(
            (runners or {}).get(row.venue, run_venue)(
                row,
                on_messages=on_messages,
                on_health=on_health,
                clock=clock,
                stop=stop,
                raw_log=raw_log,
                rules=rules,
            )
        )
        for row in driver.config.connections
    ]
    try:
        yield driver.listings(clock())
        while not stop.is_set():
            with suppress(TimeoutError):
                await asyncio.wait_for(filled.wait(), _LOOK_S)
            filled.clear()
            for task in tasks:
                if task.done():
                    task.result()
            if events := driver.drain(clock()):
                yield events
    finally:
        stop.set()
        outcomes = await asyncio.gather(*tasks, return_exceptions=True)
    for outcome in outcomes:
        if isinstance(outcome, Exception):
            raise outcome
    if events := driver.drain(clock()):
        yield events
