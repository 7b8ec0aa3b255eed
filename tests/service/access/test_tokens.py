"""Tokens: what they open, for how long, where, and how they end."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from steelyard.service.access import (
    ANONYMOUS,
    SCOPES,
    AccessError,
    Key,
    KeyRing,
    Session,
    Tokens,
    TokenStore,
    parse_scope,
    scope_text,
)
from steelyard.service.access.keys import Ed25519Proof
from steelyard.service.access.scope_words import plain_address
from steelyard.terms.documents.signing import public_key
from tests.service.access.roles import NOW, PRIVATE, Chance

SECOND = 1_000_000
PUBLIC = public_key(PRIVATE).hex()


def key(key_id: str = "desk", **changes: Any) -> Key:
    fields: dict[str, Any] = {
        "id": key_id,
        "label": "",
        "scopes": SCOPES,
        "accounts": ("alice", "bob"),
        "created_us": 0,
        "expires_us": None,
        "revoked_us": None,
        "generation": 1,
        "proof": Ed25519Proof(public_key=PUBLIC),
    }
    return Key(**(fields | changes))


class Service:
    """A ring of keys, a store of tokens, and the session that each key proves."""

    def __init__(self, *keys: Key, **bounds: Any) -> None:
        self.keys = keys or (key(),)
        self.ring = KeyRing(self.keys, random=Chance("ring"))
        self.store = TokenStore(self.ring, random=Chance("tokens"), **bounds)

    def issue(self, scope: str = "", time_us: int = NOW, **where: str) -> Tokens:
        return self.store.issue(self.keys[0].session(), time_us, scope=scope, **where)


def refused(action: Callable[..., object], *arguments: Any, **named: Any) -> str:
    with pytest.raises(AccessError) as caught:
        action(*arguments, **named)
    return caught.value.code


def test_ACCS_050_an_answer_has_deribits_fields() -> None:
    tokens = Service().issue()
    assert msgspec.json.decode(msgspec.json.encode(tokens)) == {
        "access_token": tokens.access_token,
        "refresh_token": tokens.refresh_token,
        "expires_in": 900,
        "scope": "account:read_write admin connection read risk simulate trade trade:read_write wallet:none",
        "token_type": "bearer",
    }
    assert len(tokens.access_token) == len(tokens.refresh_token) == 43
    assert tokens.access_token != tokens.refresh_token


def test_ACCS_050_an_answer_is_not_longer_than_its_key() -> None:
    service = Service(key(expires_us=NOW + 90 * SECOND + 5))
    assert service.issue().expires_in == 90
    assert service.issue("expires:30").expires_in == 30
    assert service.issue("expires:5000").expires_in == 90
    assert Service().issue("expires:5000").expires_in == 900


def test_ACCS_051_tokens_are_kept_as_their_hash() -> None:
    service = Service()
    tokens = service.issue()
    store = service.store
    held = repr({name: getattr(store, name) for name in vars(store) if name != "_random"})
    held += repr([repr(grant) for grant in store._grants.values()]) + repr(tokens) + str(tokens)
    for token in (tokens.access_token, tokens.refresh_token):
        assert token not in held
        assert repr(token.encode()) not in held
        assert repr(hashlib.sha256(token.encode()).digest()) in held


def test_ACCS_052_an_access_token_opens_its_session_until_it_expires() -> None:
    service = Service()
    tokens = service.issue()
    for off in (0, 899_999_999):
        assert service.store.session(tokens.access_token, NOW + off) == service.keys[0].session()
    assert refused(service.store.session, tokens.access_token, NOW + 900 * SECOND) == "ACCS-E30"
    short = service.issue("expires:1")
    assert service.store.session(short.access_token, NOW + SECOND - 1).key_id == "desk"
    assert refused(service.store.session, short.access_token, NOW + SECOND) == "ACCS-E30"


def test_ACCS_052_what_is_no_token_opens_nothing() -> None:
    service = Service()
    tokens = service.issue()
    for text in ("", "none", tokens.refresh_token, tokens.access_token[:-1], tokens.access_token + "A",
                 tokens.access_token.swapcase(), "é" * 43, "\ud800" * 43, tokens.access_token + "\n"):  # fmt: skip
        assert refused(service.store.session, text, NOW) == "ACCS-E30"
    for text in ("", tokens.access_token, "A" * 43, "\ud800"):
        assert refused(service.store.refresh, text, NOW) == "ACCS-E30"
    assert refused(service.store.issue, ANONYMOUS, NOW) == "ACCS-E30"
    assert refused(service.store.issue, key("nobody").session(), NOW) == "ACCS-E30"


def test_ACCS_053_a_refresh_gives_a_new_pair_and_voids_the_old() -> None:
    service = Service()
    old = service.issue()
    new = service.store.refresh(old.refresh_token, NOW + SECOND)
    assert len({old.access_token, old.refresh_token, new.access_token, new.refresh_token}) == 4
    assert refused(service.store.session, old.access_token, NOW + SECOND) == "ACCS-E30"
    at = NOW + 901 * SECOND - 1
    assert service.store.session(new.access_token, at) == service.keys[0].session()
    assert refused(service.store.session, new.access_token, at + 1) == "ACCS-E30"
    assert len(service.store) == 1


def test_ACCS_053_a_refresh_token_expires() -> None:
    service = Service(refresh_life_s=3600)
    old = service.issue()
    new = service.store.refresh(old.refresh_token, NOW + 3600 * SECOND - 1)
    assert refused(service.store.refresh, new.refresh_token, NOW + 7200 * SECOND - 1) == "ACCS-E30"
    assert len(service.store) == 0


@pytest.mark.parametrize("rounds", [1, 5])
def test_ACCS_053_a_refresh_token_that_comes_twice_ends_the_grant(rounds: int) -> None:
    service = Service()
    stolen = last = service.issue()
    other = service.issue()
    for _ in range(rounds):
        last = service.store.refresh(last.refresh_token, NOW)
    assert service.store.session(last.access_token, NOW).key_id == "desk"
    assert refused(service.store.refresh, stolen.refresh_token, NOW) == "ACCS-E30"
    assert refused(service.store.session, last.access_token, NOW) == "ACCS-E30"
    assert refused(service.store.refresh, last.refresh_token, NOW) == "ACCS-E30"
    assert service.store.session(other.access_token, NOW).key_id == "desk"


def test_ACCS_053_many_refreshes_do_not_fill_the_memory() -> None:
    service = Service()
    tokens = service.issue()
    for _ in range(200):
        tokens = service.store.refresh(tokens.refresh_token, NOW)
    store = service.store
    assert (len(store), len(store._access), len(store._refresh), len(store._spent)) == (1, 1, 1, 16)
    store.revoke(tokens.access_token)
    for held in (store._grants, store._by_key, store._access, store._refresh, store._spent):
        assert len(held) == 0


@pytest.mark.parametrize(
    "lost",
    [{"revoked_us": NOW}, {"expires_us": NOW}, {"generation": 2}, None],
)
def test_ACCS_054_tokens_end_with_their_key(lost: dict[str, Any] | None) -> None:
    service = Service(key(), key("other"))
    tokens, again = service.issue(), service.issue()
    kept = service.store.issue(service.keys[1].session(), NOW)
    changed = [msgspec.structs.replace(service.keys[0], **lost)] if lost is not None else []
    service.ring.replace([*changed, service.keys[1]])
    assert refused(service.store.session, tokens.access_token, NOW) == "ACCS-E30"
    assert refused(service.store.refresh, again.refresh_token, NOW) == "ACCS-E30"
    assert service.store.session(kept.access_token, NOW).key_id == "other"
    service.ring.replace(service.keys)
    assert refused(service.store.session, tokens.access_token, NOW) == "ACCS-E30"


def test_ACCS_054_a_keys_tokens_are_ended_together() -> None:
    service = Service(key(), key("other"))
    tokens = [service.issue() for _ in range(3)]
    kept = service.store.issue(service.keys[1].session(), NOW)
    assert (service.store.revoke_key("desk"), service.store.revoke_key("desk")) == (3, 0)
    for one in tokens:
        assert refused(service.store.session, one.access_token, NOW) == "ACCS-E30"
    assert service.store.session(kept.access_token, NOW).key_id == "other"
    service.store.revoke(kept.access_token)
    service.store.revoke(kept.access_token)
    assert refused(service.store.session, kept.access_token, NOW) == "ACCS-E30"


WORDS = st.lists(
    st.sampled_from(
        [*SCOPES, "account:read", "account:read_write", "account:none", "trade:read",
         "trade:read_write", "trade:none", "wallet:read", "block_rfq:read_write", "mainaccount",
         "session:a", "connection", "expires:60"]
    ),
    max_size=4,
    unique=True,
)  # fmt: skip
SOME = st.lists(st.sampled_from(SCOPES), unique=True).map(tuple)
ACCOUNTS = st.just("all") | st.lists(st.sampled_from("abc"), unique=True).map(tuple)


@given(WORDS, WORDS, SOME, SOME, ACCOUNTS, ACCOUNTS)
def test_ACCS_055_a_token_never_has_more_than_key_grant_and_question(
    first: list[str], second: list[str], had: Any, has: Any, owned: Any, owns: Any
) -> None:
    service = Service(key(scopes=had, accounts=owned))
    try:
        asked = parse_scope(" ".join(first)).scopes
        again = parse_scope(" ".join(second)).scopes
        tokens = service.issue(" ".join(first))
        before = service.store.session(tokens.access_token, NOW)
        service.ring.replace([key(scopes=has, accounts=owns)])
        tokens = service.store.refresh(tokens.refresh_token, NOW, scope=" ".join(second))
    except AccessError as error:
        if error.code not in ("ACCS-E30", "ACCS-E32"):
            raise
        return
    session = service.store.session(tokens.access_token, NOW)
    assert before.scopes == set(had) & (set(had) if asked is None else asked)
    assert session.scopes == before.scopes & set(has) & (set(SCOPES) if again is None else again)
    for account in "abc":
        was, is_now = (limit == "all" or account in limit for limit in (owned, owns))
        assert before.reaches(account) == was
        assert session.reaches(account) == (was and is_now)


def test_ACCS_055_accounts_are_those_of_key_and_proof() -> None:
    service = Service(key(accounts=("alice", "bob")))
    tokens = service.issue()
    service.ring.replace([key(accounts=("bob", "carol"))])
    assert service.store.session(tokens.access_token, NOW).accounts == {"bob"}
    service.ring.replace([key(accounts="all")])
    assert service.store.session(tokens.access_token, NOW).accounts == {"alice", "bob"}


@pytest.mark.parametrize(
    ("text", "scopes"),
    [
        ("", None),
        ("session:desk", None),
        ("connection expires:60 mainaccount name:desk ip:192.0.2.1", None),
        ("account:read", {"read", "simulate"}),
        ("account:read_write", {"read", "simulate", "admin"}),
        ("trade:read", {"read", "simulate"}),
        ("trade:read_write", {"read", "simulate", "trade"}),
        ("trade:none", set()),
        ("account:none trade:none wallet:none", set()),
        ("wallet:read_write", {"read"}),
        ("block_trade:read block_rfq:none custody:read_write", {"read"}),
        ("read", {"read"}),
        ("risk admin", {"risk", "admin"}),
        ("trade:read risk session:x", {"risk"}),
        ("trade trade:none account:read", {"trade"}),
    ],
)
def test_ACCS_056_deribits_words_mean_ours(text: str, scopes: set[str] | None) -> None:
    assert parse_scope(text).scopes == scopes


@pytest.mark.parametrize(
    "text",
    [
        " ",
        "read ",
        " read",
        "read  trade",
        "read\ttrade",
        "READ",
        "root",
        "read:",
        "read:all",
        "account",
        "account:",
        "account:write",
        "account:read:write",
        "trade:read trade:read_write",
        "trade:none trade:read",
        "session:",
        "session:a session:b",
        "session:a b",
        "session:" + "a" * 65,
        "session:a connection",
        "connection:",
        "connection:x",
        "expires:0",
        "expires:-1",
        "expires:1.5",
        "expires:",
        "expires:" + "9" * 10,
        "expires:60 expires:61",
        "ip:",
        "ip:desk",
        "ip:192.0.2.1/24",
        "ip:192.0.2.256",
        "ip:192.0.2.1 ip:192.0.2.2",
        "read " * 200,
        "re\u0430d",
        "\ud800",
    ],
)
def test_ACCS_056_what_is_not_understood_is_refused(text: str) -> None:
    assert refused(parse_scope, text) == "ACCS-E32"
    service = Service()
    assert refused(service.issue, text) == "ACCS-E32"
    assert len(service.store) == 0
    tokens = service.issue()
    assert refused(service.store.refresh, tokens.refresh_token, NOW, scope=text) == "ACCS-E32"


@given(
    st.text(max_size=60)
    | st.lists(st.sampled_from(["read", "trade:read", ":", "expires:9"])).map(" ".join)
)
def test_ACCS_056_any_text_is_understood_or_refused(text: str) -> None:
    try:
        asked = parse_scope(text)
    except AccessError as error:
        if error.code != "ACCS-E32":
            raise
        return
    assert asked.scopes is None or asked.scopes <= set(SCOPES)


@given(st.sets(st.sampled_from(SCOPES)), st.sampled_from(["", "desk"]), st.sampled_from([None, 60]))
def test_ACCS_056_an_answered_scope_asked_for_again_grants_the_same(
    scopes: set[str], session: str, life_s: int | None
) -> None:
    text = scope_text(scopes, session, "192.0.2.1", life_s)
    asked = parse_scope(text)
    assert asked.scopes == scopes
    assert (asked.session, asked.address, asked.expires_s) == (session, "192.0.2.1", life_s)
    service = Service()
    tokens = service.issue(" ".join(["session:desk", *scopes]) if scopes else "trade:none")
    again = service.issue(tokens.scope)
    assert again.scope == tokens.scope
    assert service.store.session(again.access_token, NOW).scopes == scopes


def test_ACCS_057_a_token_is_bound_to_its_connection() -> None:
    service = Service()
    bound = service.issue(connection="ws-1")
    free = service.issue("session:desk", connection="ws-1")
    http = service.issue()
    store = service.store
    assert store.session(bound.access_token, NOW, connection="ws-1").key_id == "desk"
    for other in ("", "ws-2"):
        assert refused(store.session, bound.access_token, NOW, connection=other) == "ACCS-E30"
        assert refused(store.refresh, bound.refresh_token, NOW, connection=other) == "ACCS-E30"
        assert store.session(free.access_token, NOW, connection=other).key_id == "desk"
    assert "connection" in bound.scope.split()
    assert "session:desk" in free.scope.split()
    bound = store.refresh(bound.refresh_token, NOW, connection="ws-1")
    assert (store.close("ws-1"), store.close("ws-1"), store.close("")) == (1, 0, 0)
    assert refused(store.session, bound.access_token, NOW, connection="ws-1") == "ACCS-E30"
    for kept in (free, http):
        assert store.session(kept.access_token, NOW).key_id == "desk"


def test_ACCS_057_a_token_is_bound_to_the_address_that_was_asked_for() -> None:
    service = Service()
    assert refused(service.issue, "ip:192.0.2.1") == "ACCS-E30"
    assert refused(service.issue, "ip:192.0.2.1", address="192.0.2.2") == "ACCS-E30"
    tokens = service.issue("ip:192.0.2.1", address="::ffff:192.0.2.1")
    assert "ip:192.0.2.1" in tokens.scope.split()
    store = service.store
    for address in ("192.0.2.1", "::ffff:192.0.2.1"):
        assert store.session(tokens.access_token, NOW, address=address).key_id == "desk"
    for address in ("", "192.0.2.2", "2001:db8::1"):
        assert refused(store.session, tokens.access_token, NOW, address=address) == "ACCS-E30"
        assert refused(store.refresh, tokens.refresh_token, NOW, address=address) == "ACCS-E30"
    moved = {"scope": "ip:192.0.2.2", "address": "192.0.2.1"}
    assert refused(store.refresh, tokens.refresh_token, NOW, **moved) == "ACCS-E30"
    assert plain_address("2001:DB8:0::1") == "2001:db8::1"


def test_ACCS_058_a_session_of_the_same_name_ends_the_one_before() -> None:
    service = Service(key(), key("other"))
    first = service.issue("session:a")
    other = service.store.issue(service.keys[1].session(), NOW, scope="session:a")
    second = service.issue("session:a")
    assert refused(service.store.session, first.access_token, NOW) == "ACCS-E30"
    for tokens in (second, other):
        assert service.store.session(tokens.access_token, NOW).scopes == set(SCOPES)
    third, bound = service.issue("session:c"), service.issue()
    for tokens, taken in ((second, "session:c"), (bound, "session:d")):
        refresh = tokens.refresh_token
        assert refused(service.store.refresh, refresh, NOW, scope=taken) == "ACCS-E30"
    renamed = service.store.refresh(second.refresh_token, NOW, scope="session:b")
    assert "session:b" in renamed.scope.split()
    service.issue("session:a")  # a free name again
    for tokens in (renamed, third):
        assert service.store.session(tokens.access_token, NOW).scopes == set(SCOPES)
    service.issue("session:b")
    assert refused(service.store.session, renamed.access_token, NOW) == "ACCS-E30"


def test_ACCS_058_a_key_has_sixteen_sessions_and_64_grants() -> None:
    service = Service()
    named = [service.issue(f"session:s{n}") for n in range(16)]
    assert refused(service.issue, "session:s16") == "ACCS-E35"
    assert service.issue("session:s3").expires_in == 900
    unnamed = [service.issue() for _ in range(48)]
    assert len(service.store) == 64
    kept = service.store.refresh(unnamed[0].refresh_token, NOW)
    last = service.issue()
    assert len(service.store) == 64
    assert refused(service.store.session, unnamed[1].access_token, NOW) == "ACCS-E30"
    for tokens in (kept, last, unnamed[2], named[0]):
        assert service.store.session(tokens.access_token, NOW).key_id == "desk"


def test_ACCS_058_a_full_store_refuses_until_some_expire() -> None:
    service = Service(key(), key("other"), grants_max=3, refresh_life_s=10)
    for off in range(3):
        service.issue(time_us=NOW + off)
    assert refused(service.store.issue, service.keys[1].session(), NOW + 9) == "ACCS-E34"
    assert refused(service.issue, time_us=NOW + 10 * SECOND - 1) == "ACCS-E34"
    assert service.issue(time_us=NOW + 10 * SECOND).expires_in == 900
    assert len(service.store) == 3


def test_ACCS_058_what_expired_makes_room_whatever_was_refreshed() -> None:
    service = Service(grants_max=2, refresh_life_s=10)
    first = service.issue()
    service.issue(time_us=NOW + 1)
    service.store.refresh(first.refresh_token, NOW + 5)
    assert refused(service.issue, time_us=NOW + 10 * SECOND) == "ACCS-E34"
    assert service.issue(time_us=NOW + 10 * SECOND + 1).expires_in == 900


def test_ACCS_055_a_refresh_makes_no_token_longer() -> None:
    service = Service()
    tokens = service.issue("expires:30")
    for scope, life in (("expires:100", 30), ("", 30), ("expires:20", 20), ("expires:30", 20)):
        tokens = service.store.refresh(tokens.refresh_token, NOW, scope=scope)
        assert tokens.expires_in == life
        at = NOW + life * SECOND
        assert refused(service.store.session, tokens.access_token, at) == "ACCS-E30"


def test_ACCS_050_a_random_source_that_repeats_itself_gives_no_tokens(tmp_path: Path) -> None:
    store = TokenStore(Service().ring, random=lambda count: bytes(count))
    with pytest.raises(AssertionError, match="a token twice"):
        store.issue(key().session(), NOW)


def test_ACCS_055_a_forged_session_gets_no_more_than_its_key() -> None:
    service = Service(key(scopes=("read",)))
    forged = Session("desk", frozenset(SCOPES), None)
    tokens = service.store.issue(forged, NOW)
    session = service.store.session(tokens.access_token, NOW)
    assert session == Session("desk", frozenset({"read"}), frozenset({"alice", "bob"}))
