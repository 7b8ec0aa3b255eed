"""Shared by the tests of the surface command: requests, answers, chains with faults."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from steelyard.cli.surface import Request, surface_command
from tests.support.example_chain import PATH, Row, chain_text

PLAIN = Request(
    chain=PATH, snapshot=None, every=False, underlying=None, target="mid", time=None, prices=None,
    stale_after=None, out=None, png=True, html=True, as_json=True, quotes=False,
)  # fmt: skip


def request(**changes: Any) -> Request:
    """Return a request of the example chain, as JSON, with changes."""
    values = {name: getattr(PLAIN, name) for name in Request.__slots__}
    return Request(**(values | changes))


def ask(capsys: pytest.CaptureFixture[str], **changes: Any) -> tuple[int, Any]:
    """Return the exit code and the document of a request."""
    capsys.readouterr()
    code = surface_command(request(**changes))
    return code, json.loads(capsys.readouterr().out)


def told(capsys: pytest.CaptureFixture[str], **changes: Any) -> tuple[int, str]:
    """Return the exit code and the text of a request."""
    capsys.readouterr()
    code = surface_command(request(as_json=False, **changes))
    return code, capsys.readouterr().out


def write_chain(folder: Path, rows: list[Row], name: str = "chain.csv") -> Path:
    """Write rows as a chain file and return its path."""
    path = folder / name
    path.write_text(chain_text(rows), encoding="utf-8")
    return path
