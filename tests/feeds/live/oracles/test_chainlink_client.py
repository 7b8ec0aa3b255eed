"""Frames of Chainlink Data Streams become verified prices, and what holds back each that does not."""

from __future__ import annotations

import json

import pytest

from steelyard.feeds.live.client import Subscription, VenueClient
from steelyard.feeds.live.messages import OraclePrice, Status
from steelyard.feeds.live.oracles.chainlink import (
    ChainlinkClient,
    Credentials,
    StreamTerms,
    at_path,
    latest_path,
    page_path,
    read_credentials,
    sign_request,
)
from steelyard.quantities import InputError
from tests.feeds.live.oracles.chainlink_reports import (
    BTC,
    E18,
    ETH,
    KEYS,
    NOW_US,
    OBSERVED,
    believed,
    envelope,
    feed_id,
    frame,
    full_report,
    make_client,
    report_bytes,
)

SECRET = "s3cr3t-of-nobody"


def code_of(client: ChainlinkClient, raw: bytes) -> str:
    with pytest.raises(InputError) as caught:
        client.receive(raw, NOW_US)
    return caught.value.code


def only(client: ChainlinkClient, raw: bytes, received_us: int = NOW_US) -> OraclePrice | Status:
    (message,) = client.receive(raw, received_us)
    assert isinstance(message, OraclePrice | Status)
    return message


def price(feed: str = BTC, stream: StreamTerms | None = None, **said: int) -> OraclePrice | Status:
    client = make_client(stream or StreamTerms(feed))
    return only(client, frame(full_report(report_bytes(feed, **said)), feed))


def test_CHLK_001_a_request_is_signed_as_documented() -> None:
    credentials = Credentials("clientId", "userSecret")
    headers = sign_request(credentials, "GET", "/api/v1/feeds", 1_718_885_772_000 + 999)
    assert headers == {
        "Authorization": "clientId",
        "X-Authorization-Timestamp": "1718885772",
        "X-Authorization-Signature-SHA256": (
            "e9b2aa1deb13b2abd078353a5e335b2f50307159ad28b433157d2c74dbab2072"
        ),
    }


def test_CHLK_001_the_signature_depends_on_every_part() -> None:
    name = "X-Authorization-Signature-SHA256"
    key = Credentials("key", SECRET)
    variants = [
        sign_request(key, "GET", "/a?b=1", NOW_US),
        sign_request(key, "POST", "/a?b=1", NOW_US),
        sign_request(key, "GET", "/a?b=2", NOW_US),
        sign_request(key, "GET", "/a?b=1", NOW_US + 1_000),
        sign_request(key, "GET", "/a?b=1", NOW_US, b"{}"),
        sign_request(Credentials("kez", SECRET), "GET", "/a?b=1", NOW_US),
        sign_request(Credentials("key", SECRET + "2"), "GET", "/a?b=1", NOW_US),
    ]
    assert len({headers[name] for headers in variants}) == len(variants)
    assert sign_request(key, "GET", "/a?b=1", NOW_US + 999) == variants[0]


def test_CHLK_002_credentials_come_from_the_environment_and_are_not_shown() -> None:
    environment = {"FEED_KEY": "key-1", "FEED_SECRET": SECRET, "EMPTY": ""}
    credentials = read_credentials("FEED_KEY", "FEED_SECRET", environment)
    assert (credentials.key, credentials.secret) == ("key-1", SECRET)
    shown = f"{credentials} {credentials!r} {make_client(credentials=credentials)!r}"
    assert "key-1" not in shown
    assert SECRET not in shown
    for key_name, secret_name in (
        ("FEED_KEY", "GONE"),
        ("GONE", "FEED_SECRET"),
        ("FEED_KEY", "EMPTY"),
    ):
        with pytest.raises(InputError, match="is not set") as caught:
            read_credentials(key_name, secret_name, environment)
        assert caught.value.code == "CHLK-E04"
        assert caught.value.where["variable"] in ("GONE", "EMPTY")
        assert SECRET not in str(caught.value)
    for bad in ("", "two words", "new\nline", "ключ", "x" * 513):
        with pytest.raises(InputError) as caught:
            Credentials("key", bad)
        assert caught.value.code == "CHLK-E04"
        assert not bad or bad not in str(caught.value)


def test_CHLK_003_addresses_are_the_documented_ones() -> None:
    client: VenueClient = make_client()
    wanted = [Subscription(BTC, "reference"), Subscription(ETH, "reference")]
    assert client.address(wanted) == f"/api/v1/ws?feedIDs={BTC},{ETH}"
    assert client.opening(wanted) == []
    assert client.due(NOW_US) == []
    assert latest_path(BTC) == f"/api/v1/reports/latest?feedID={BTC}"
    assert at_path(BTC, 5) == f"/api/v1/reports?feedID={BTC}&timestamp=5"
    assert page_path(BTC, 5, 9) == f"/api/v1/reports/page?feedID={BTC}&startTimestamp=5&limit=9"
    assert make_client().headers("GET", "/", NOW_US) == {}
    signed = make_client(credentials=Credentials("key", SECRET)).headers("GET", "/", NOW_US)
    assert signed == sign_request(Credentials("key", SECRET), "GET", "/", NOW_US)
    with pytest.raises(InputError) as caught:
        client.address([Subscription(feed_id(3, 9), "reference")])
    assert caught.value.code == "CHLK-E04"


def test_CHLK_003_a_stream_that_cannot_be_followed_is_refused() -> None:
    for streams in (
        [StreamTerms(BTC), StreamTerms(BTC)],
        [StreamTerms("0x0003")],
        [StreamTerms(BTC.upper())],
        [StreamTerms(feed_id(9))],
        [StreamTerms(BTC, decimals=19)],
        [StreamTerms(BTC, decimals=-1)],
    ):
        with pytest.raises(InputError) as caught:
            ChainlinkClient([believed()], streams)
        assert caught.value.code == "CHLK-E04"
    with pytest.raises(InputError):
        ChainlinkClient([believed(), believed()], [StreamTerms(BTC)])


def test_CHLK_020_the_price_its_confidence_and_its_time() -> None:
    assert price() == OraclePrice(BTC, 121_000.0, 10.0, OBSERVED * 1_000_000)
    plain = feed_id(2)
    assert price(plain) == OraclePrice(plain, 121_000.0, 0.0, OBSERVED * 1_000_000)
    eight = StreamTerms(BTC, decimals=8)
    with pytest.raises(InputError, match="CHLK-E02"):
        price(stream=eight)
    small = price(stream=eight, price=121_000 * 10**8, bid=120_990 * 10**8, ask=121_010 * 10**8)
    assert small == OraclePrice(BTC, 121_000.0, 10.0, OBSERVED * 1_000_000)
    assert price(price=E18 // 10**12) == OraclePrice(BTC, 1e-12, 10.0, OBSERVED * 1_000_000)


def test_CHLK_021_the_future_and_the_past() -> None:
    full = frame(full_report())
    earliest, latest = OBSERVED * 1_000_000 - 5_000_000, (OBSERVED + 86_400) * 1_000_000
    for received_us in (earliest, latest):
        assert isinstance(only(make_client(), full, received_us), OraclePrice)
    early = only(make_client(), full, earliest - 1)
    assert early == Status(BTC, "unverified", "observed in the future")
    assert only(make_client(), full, latest + 1) == Status(BTC, "unverified", "expired")
    assert only(make_client(), full, 0).kind == "unverified"  # type: ignore[union-attr]
    later = price(valid_from=OBSERVED + 1)
    assert later == Status(BTC, "unverified", "valid only after it was observed")


def test_CHLK_022_the_frame_must_say_what_was_signed() -> None:
    full = full_report()
    agreeing = frame(full, validFromTimestamp=OBSERVED - 1, observationsTimestamp=OBSERVED)
    assert isinstance(only(make_client(), agreeing), OraclePrice)
    assert isinstance(
        only(make_client(), frame(full, BTC.upper().replace("0X", "0x"))), OraclePrice
    )
    for raw, market in (
        (frame(full, ETH), ETH),
        (frame(full, validFromTimestamp=OBSERVED), BTC),
        (frame(full, observationsTimestamp=OBSERVED + 1), BTC),
    ):
        said = only(make_client(), raw)
        assert isinstance(said, Status)
        assert (said.market, said.kind) == (market, "unverified")


def test_CHLK_013_an_unverified_report_gives_no_price() -> None:
    for keys in (KEYS[:2], [KEYS[0]] * 3):
        said = only(make_client(), frame(full_report(keys=keys)))
        assert isinstance(said, Status)
        assert said.kind == "unverified"
        assert said.reason


def test_CHLK_023_a_report_is_told_once() -> None:
    client = make_client()
    newer = frame(full_report(report_bytes(observed=OBSERVED + 1)))
    forged = frame(full_report(report_bytes(observed=OBSERVED + 3), keys=KEYS[:2]))
    assert isinstance(only(client, newer), OraclePrice)
    assert client.receive(newer, NOW_US) == []
    assert client.receive(frame(full_report()), NOW_US) == []
    assert isinstance(only(client, forged), Status)
    assert isinstance(
        only(client, frame(full_report(report_bytes(observed=OBSERVED + 2)))), OraclePrice
    )
    assert isinstance(only(client, frame(full_report(report_bytes(ETH)), ETH)), OraclePrice)


def test_CHLK_024_a_feed_that_is_not_followed() -> None:
    client = make_client(StreamTerms(BTC))
    said = only(client, frame(full_report(report_bytes(ETH)), ETH))
    assert said == Status("", "refused", f"'{ETH}' is not followed")
    odd = only(client, frame(full_report(), "\x00🦀" * 400))
    assert isinstance(odd, Status)
    assert odd.reason.isprintable()
    assert isinstance(only(client, frame(full_report())), OraclePrice)


@pytest.mark.parametrize("schema", [4, 8, 10, 11])
def test_CHLK_025_a_closed_market_has_no_price(schema: int) -> None:
    feed = feed_id(schema)
    for status in (0, 1, 3):
        assert price(feed, market_status=status) == Status(
            feed, "halted", f"market status {status}"
        )
    opened = price(feed)
    assert isinstance(opened, OraclePrice)
    assert opened.price == 121_000.0
    assert opened.confidence == (10.0 if schema == 11 else 0.0)
    extended = StreamTerms(feed, open_statuses=(1, 2, 3))
    assert isinstance(price(feed, extended, market_status=3), OraclePrice)


def test_CHLK_025_the_tokenised_price_trades_at_all_hours() -> None:
    feed = feed_id(10)
    stream = StreamTerms(feed, reads="tokenized_price")
    for status in (0, 1, 2):
        said = price(feed, stream, market_status=status, updated_ns=0)
        assert said == OraclePrice(feed, 122_000.0, 0.0, OBSERVED * 1_000_000)
    ignored = StreamTerms(BTC, reads="tokenized_price")  # other schemas have one price only
    assert price(BTC, ignored) == price(BTC)


def test_CHLK_026_a_repeated_price_is_as_old_as_its_last_update() -> None:
    for schema in (8, 10, 11):
        feed = feed_id(schema)
        old = price(feed, updated_ns=(OBSERVED - 90) * 10**9)
        ahead = price(feed, updated_ns=(OBSERVED + 90) * 10**9)
        assert isinstance(old, OraclePrice)
        assert isinstance(ahead, OraclePrice)
        assert old.exchange_time_us == (OBSERVED - 90) * 1_000_000
        assert ahead.exchange_time_us == OBSERVED * 1_000_000


def test_CHLK_027_a_price_that_is_none() -> None:
    for said in (
        {"price": 0},
        {"price": -E18},
        {"price": 2**191 - 1},
        {"price": 10**12 * E18 + 10**15},
        {"bid": 121_010 * E18 + 1},
        {"bid": -(2**191)},
    ):
        client = make_client()
        assert code_of(client, frame(full_report(report_bytes(**said)))) == "CHLK-E02"
        assert isinstance(only(client, frame(full_report())), OraclePrice)


def test_CHLK_028_frames_that_cannot_be_taken() -> None:
    client = make_client()
    good = frame(full_report())
    text = full_report().hex()

    def holding(full: object) -> bytes:
        return json.dumps({"report": {"feedID": BTC, "fullReport": full}}).encode()

    cases = {
        "CHLK-E01": [
            *(b"", b"{", b"\xff", good[:-1], good + b"}", b"\x1f\x8b\x08", b'{"report": NaN}'),
            *(
                b'{"x": ' + b"[" * 10_000,
                b" " * (4 * 1024 * 1024 + 1),
                b'{"report": {"feedID": "\xff"}}',
            ),
        ],
        "CHLK-E02": [
            *(b"{}", b"[]", b"null", b"1", b'{"report": 1}', b'{"report": {}}', b'{"reports": {}}'),
            *(
                b'{"report": null}',
                holding(1),
                holding(None),
                holding(""),
                holding("0x"),
                holding("0x1"),
            ),
            *(holding(text), holding("0x" + text[:-1]), holding("0x" + text[:-2] + "zz")),
            *(holding("0x" + text[:64] + " " + text[64:]), holding("0x" + "0" * 20_000)),
            *(holding("0x" + "é" * 640), frame(full_report(), observationsTimestamp="soon")),
            *(frame(full_report(), observationsTimestamp=1.5), b'{"report": {"feedID": 3}}'),
        ],
        "CHLK-E03": [
            b'{"error": "no"}',
            b'{"message": "report not found"}',
            b'{"error": {"code": 1}}',
        ],
    }
    for code, frames in cases.items():
        for raw in frames:
            assert code_of(client, raw) == code, raw[:80]
    extra = frame(full_report(), sequence=[1, {"a": None}])
    assert isinstance(only(client, extra), OraclePrice)


def test_CHLK_029_a_page_gives_the_message_of_each() -> None:
    rows = [envelope(full_report(report_bytes(observed=OBSERVED + n))) for n in range(3)]
    rows.append(envelope(full_report(keys=KEYS[:1]), observationsTimestamp=1))
    body = json.dumps({"reports": rows}).encode()
    messages = make_client().fetched(page_path(BTC, OBSERVED, 4), body, NOW_US)
    assert [type(message) for message in messages] == [
        OraclePrice,
        OraclePrice,
        OraclePrice,
        Status,
    ]
    assert make_client().fetched("", b'{"reports": []}', NOW_US) == []
