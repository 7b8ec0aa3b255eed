"""One line of JSON for each thing worth telling. No body, header, token, code or query is ever in one.

What is told is named field by field by the caller; nothing that came over the wire is told but addresses,
names of methods that exist, and key ids that were proven.
"""

from __future__ import annotations

import logging
import traceback
from typing import Any

import msgspec

from steelyard.service.rpc.dispatch import Incident

logger = logging.getLogger("steelyard.web")
FRAMES_MAX = 12


def tell(event: str, *, level: int = logging.INFO, **fields: Any) -> None:
    """Write a line, where anybody listens.

    >>> logger.isEnabledFor(logging.CRITICAL)
    True
    """
    if logger.isEnabledFor(level):
        logger.log(level, "%s", msgspec.json.encode({"event": event, **fields}).decode())


def tell_incident(incident: Incident) -> None:
    """Write where an unexpected failure happened, and of which kind it was; its text is left out."""
    stack = traceback.extract_tb(incident.error.__traceback__)[-FRAMES_MAX:]
    tell(
        "incident", level=logging.ERROR, name=incident.name, method=incident.method,
        key=incident.key_id, time_us=incident.time_us, kind=type(incident.error).__name__,
        at=[f"{frame.filename.rpartition('/')[2]}:{frame.lineno} {frame.name}" for frame in stack],
    )  # fmt: skip
