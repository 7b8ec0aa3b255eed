"""The limits of the transport, all in one place; each has a value that a service can live with."""

from __future__ import annotations

from pathlib import Path

import msgspec

STATIC = Path(__file__).parent / "static"


class Settings(msgspec.Struct, frozen=True, kw_only=True):
    """Where the service listens, for whom, and what it bears.

    allowed_hosts: names by which it may be asked beside its own; for a bind to every address, none is every
    name. allowed_origins: pages of others that may ask, as "https://desk.example". tls_client_authority: whose
    clients alone may connect. request_s_max: from a request's first byte to its last. unread_s_max: how long
    a connection may leave what is written to it unread. answers_max, answer_bytes_max: of a connection, that
    wait to be written. heavy_credits: from which cost on a call is worked out in a thread, of heavy_workers;
    heavy_waiting_max: calls that wait for one. stop_s_max: what is left to connections when the service stops.
    """

    host: str = "127.0.0.1"
    port: int = 0
    tls_certificate: str = ""
    tls_key: str = ""
    tls_client_authority: str = ""
    allowed_hosts: tuple[str, ...] = ()
    allowed_origins: tuple[str, ...] = ()

    connections_max: int = 2_000
    connections_per_address_max: int = 500
    header_bytes_max: int = 32_768
    headers_max: int = 100
    request_s_max: float = 10.0
    keep_alive_s: int = 75

    message_bytes_max: int = 1 << 20
    fragments_max: int = 1_024
    in_flight_max: int = 64
    answers_max: int = 256
    answer_bytes_max: int = 8 << 20
    unread_s_max: float = 10.0
    ping_s: float = 20.0
    heartbeat_s_min: int = 10
    heartbeat_s_max: int = 3_600
    channels_max: int = 500

    heavy_credits: int = 1_000
    heavy_workers: int = 2
    heavy_waiting_max: int = 16
    stop_s_max: float = 5.0

    static: Path = STATIC
    style_hashes: tuple[str, ...] = ()
    page_code_s: int = 600
