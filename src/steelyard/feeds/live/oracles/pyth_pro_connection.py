"""All endpoints of Pyth Pro at once: each its own connection, one stream out of them.

An endpoint that falls silent, refuses or breaks is tried again and again by itself; the others go on,
down to the last one. Failures of a connection are those of `steelyard.feeds.live.connection`.
"""

from __future__ import annotations

import asyncio
import os
import ssl
from collections.abc import Callable

import msgspec

from steelyard.feeds.live.connection import ConnectionRules, Health, RawLog, run_connection
from steelyard.feeds.live.messages import Message
from steelyard.feeds.live.oracles.hermes_connection import bearer
from steelyard.feeds.live.oracles.pyth_pro import EndpointCounts, Merger, ProClient, ProTerms


class EndpointHealth(msgspec.Struct):
    """One endpoint: its address, its connection, and what it brought."""

    endpoint: str
    connection: Health
    counts: EndpointCounts


async def run_pro(
    name: str,
    terms: ProTerms,
    *,
    on_messages: Callable[[str, list[Message], int], None],
    clock: Callable[[], int],
    stop: asyncio.Event,
    on_health: Callable[[EndpointHealth], None] | None = None,
    raw_log: RawLog | None = None,
    rules: ConnectionRules | None = None,
    tls: ssl.SSLContext | bool = True,
) -> list[EndpointHealth]:
    """Keep all endpoints connected until `stop` is set; return the health of each, in their order.

    on_messages(connection, messages, received_us) gets each update once, from the endpoint that brought
    it first; a connection's name is `name` and the endpoint's number, as in pyth-pro/0. clock: UTC
    microseconds, also held against the expiry of signers. What on_messages or on_health raises ends the
    run. Errors: PYTH-E09 without a token; nothing after the start.
    """
    headers = bearer(terms.token_variable, os.environ)
    merger = Merger()

    def endpoint_health(endpoint: str, health: Health) -> EndpointHealth:
        counts = merger.counts.get(endpoint, EndpointCounts())
        return EndpointHealth(endpoint, health, msgspec.structs.replace(counts))

    async def connect(number: int, endpoint: str) -> EndpointHealth:
        def tell(health: Health) -> None:
            if on_health is not None:
                on_health(endpoint_health(endpoint, health))

        health = await run_connection(
            f"{name}/{number}",
            lambda: ProClient(endpoint, terms, merger),
            [],
            on_messages=on_messages,
            clock=clock,
            stop=stop,
            on_health=tell,
            base_url=endpoint,
            headers=headers,
            raw_log=raw_log,
            rules=rules,
            tls=tls,
        )
        return endpoint_health(endpoint, health)

    try:
        async with asyncio.TaskGroup() as group:
            tasks = [
                group.create_task(connect(number, endpoint))
                for number, endpoint in enumerate(terms.endpoints)
            ]
    except BaseExceptionGroup as failures:
        raise failures.exceptions[0] from None
    return [task.result() for task in tasks]
