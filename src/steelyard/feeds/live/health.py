"""What a connection says of itself, without the means to make one."""

from __future__ import annotations

from typing import Literal

import msgspec

ConnectionState = Literal["connecting", "open", "up", "waiting", "stopped"]


class Health(msgspec.Struct):
    """What a connection says of itself.

    state: connecting, open (nothing read yet), up, waiting (for the next attempt), stopped. connects:
    handshakes that succeeded. frames, bytes: received. errors: how often, by code. gaps: Status messages
    of that kind. skew_us, is_clock_off: as a SkewEstimator has them for all frames. times: UTC
    microseconds, 0 for never.
    """

    name: str
    venue: str
    state: ConnectionState = "connecting"
    attempts: int = 0
    connects: int = 0
    frames: int = 0
    bytes: int = 0
    messages: int = 0
    sent: int = 0
    fetches: int = 0
    gaps: int = 0
    restarts: int = 0
    errors: dict[str, int] = {}
    errors_in_row: int = 0
    last_error: str = ""
    last_error_us: int = 0
    last_frame_us: int = 0
    next_attempt_us: int = 0
    skew_us: int | None = None
    is_clock_off: bool = False
