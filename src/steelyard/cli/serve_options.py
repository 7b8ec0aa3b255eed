"""The document of a service under the options of the command line."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import msgspec

from steelyard.service.config import ServeConfig, checked, read_config


def configured(
    path: Path | None,
    *,
    host: str | None = None,
    port: int | None = None,
    accounts: str | None = None,
    journal: Path | None = None,
) -> ServeConfig:
    """Return the document at a path under the environment and the options. Errors: SERV-E01 to E04."""
    return with_options(
        read_config(path, os.environ), host=host, port=port, accounts=accounts, journal=journal
    )


def with_options(
    config: ServeConfig,
    *,
    host: str | None = None,
    port: int | None = None,
    accounts: str | None = None,
    journal: Path | None = None,
) -> ServeConfig:
    """Return a document with the options that are given. Errors: SERV-E03.

    >>> with_options(ServeConfig(), port=0).server.port
    0
    """
    given: dict[str, dict[str, Any]] = {
        "server": {"host": host, "port": port},
        "accounts": {"source": accounts},
        "engine": {"journal": None if journal is None else str(journal)},
    }
    for section, fields in given.items():
        stated = {name: value for name, value in fields.items() if value is not None}
        if stated:
            changed = msgspec.structs.replace(getattr(config, section), **stated)
            config = msgspec.structs.replace(config, **{section: changed})
    return checked(config)
