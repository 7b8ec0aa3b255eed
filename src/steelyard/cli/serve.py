"""`steelyard serve`: the engine, the API and the page in one process, until it is told to stop."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
import webbrowser
from collections.abc import Callable
from contextlib import suppress
from typing import TYPE_CHECKING, Any

from steelyard.quantities import InputError

if TYPE_CHECKING:
    from steelyard.cli.serve_market import Driven
    from steelyard.service.assembly import Running
    from steelyard.service.config import ServeConfig

Say = Callable[[str], None]


def require_extra() -> None:
    """Raise SERV-E07 where the extra `service` is not installed."""
    try:
        import fastapi  # noqa: F401
        import httptools  # noqa: F401
        import prometheus_client  # noqa: F401
        import starlette  # noqa: F401
        import uvicorn  # noqa: F401
        import uvloop  # noqa: F401
        import websockets  # noqa: F401
    except ImportError as error:
        raise InputError(
            "SERV-E07", f"the service needs {error.name}", rule="the API and the page are the extra service",
            cure="pip install 'steelyard[service]'", package=error.name or "",
        ) from None  # fmt: skip


def serve_command(config: ServeConfig, say: Say, *, is_opened: bool, as_json: bool) -> int:
    """Serve until Ctrl-C or SIGTERM; return the exit code. Errors: SERV, JOUR, WEBT-E08 and the market's."""
    require_extra()
    import uvloop

    from steelyard.cli.serve_market import driven

    ready = driven(config, say)
    return uvloop.run(_serve(config, ready, say, is_opened=is_opened, as_json=as_json))


async def _serve(
    config: ServeConfig, ready: Driven, say: Say, *, is_opened: bool, as_json: bool
) -> int:
    from steelyard.service.assembly import Running

    asked = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, asked.set)
    try:
        running = Running(config, ready.journaled, title=ready.title, tally=ready.tally)
    except BaseException:
        ready.journaled.close()
        raise
    playing: asyncio.Task[None] | None = None
    waiting = loop.create_task(asked.wait())
    try:
        await running.start()
        _announce(running, ready, say, is_opened=is_opened, as_json=as_json)
        events = None if ready.play is None else ready.play(running.host)
        playing = loop.create_task(running.play(events, ready.speed))
        await asyncio.wait((playing, waiting), return_when=asyncio.FIRST_COMPLETED)
        if playing.done():
            playing.result()
    finally:
        for number in (signal.SIGINT, signal.SIGTERM):
            loop.remove_signal_handler(number)
        waiting.cancel()
        if playing is not None:
            playing.cancel()
            with suppress(asyncio.CancelledError, Exception):
                await playing
        say("stopping")
        ready.close()
        await running.stop()
    say(f"stopped at seq {running.host.engine.seq:,}; journal {ready.journaled.path}")
    return 0


def _announce(running: Running, ready: Driven, say: Say, *, is_opened: bool, as_json: bool) -> None:
    """Say where the service is, and open the page where there is a screen to open it on."""
    address, url = running.page_address(), running.server.url
    journal = ready.journaled.path
    if as_json:
        told: dict[str, Any] = {
            "page": address, "api": f"{url}/api/v2", "websocket": f"{url.replace('http', 'ws', 1)}/ws/api/v2",
            "control": f"{url}/v1", "metrics": f"{url}/metrics", "journal": str(journal), "pid": os.getpid(),
        }  # fmt: skip
        import msgspec

        sys.stdout.write(msgspec.json.encode(told).decode() + "\n")
        sys.stdout.flush()
        return
    page = "" if running.app.page.is_built else "   (not built: make page)"
    say(f"page      {address}{page}")
    say(f"API       {url}/api/v2   {url.replace('http', 'ws', 1)}/ws/api/v2   {url}/v1")
    say(f"metrics   {url}/metrics")
    say(f"journal   {journal}")
    say("Ctrl-C stops")
    if is_opened and _has_screen():
        webbrowser.open(address)


def _has_screen() -> bool:
    """Return whether a browser could be seen by whoever typed the command."""
    if not sys.stderr.isatty():
        return False
    return bool(os.environ.get("DISPLAY") or os.environ.get("WAYLAND_DISPLAY"))
