"""The document of the service: fields, bounds, variables."""

from __future__ import annotations

from pathlib import Path

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from steelyard.quantities import SteelyardError
from steelyard.service import config
from steelyard.service.config import ServeConfig, parse_config, read_config


def refusal(text: str, environment: dict[str, str] | None = None) -> SteelyardError:
    with pytest.raises(SteelyardError) as found:
        parse_config(text, environment or {})
    return found.value


def test_SERV_001_an_empty_document_is_the_simulated_market_on_this_machine() -> None:
    made = parse_config("", {})
    assert made == ServeConfig() == read_config(None, {})
    assert (made.market.kind, made.accounts.source) == ("simulated", "population:10000")
    assert (made.server.host, made.server.port) == ("127.0.0.1", 8710)


@pytest.mark.parametrize(
    ("text", "code", "field"),
    [
        ("[server]\nprot = 1", "SERV-E02", "server"),
        ('[server]\nport = "1"', "SERV-E02", "server.port"),
        ("[sever]\nport = 1", "SERV-E02", "the document"),
        ("[server]\nport = 70000", "SERV-E03", "port"),
        ("[server]\nhost = ''", "SERV-E03", "host"),
        ('[market]\nkind = "live"', "SERV-E03", "feeds"),
        ('[market]\nkind = "recorded"\nfolder = "x"\nbegin = "2025-10-10"', "SERV-E03", "end"),
        ('[market]\nkind = "dead"', "SERV-E02", "market.kind"),
        ("[market]\nspeed = nan", "SERV-E03", "speed"),
        ("[market]\nspeed = 0.0", "SERV-E03", "speed"),
        ('[server]\ntls_key = "k.pem"', "SERV-E03", "tls_key"),
        ('[access]\npage_scopes = ["root"]', "SERV-E02", "access.page_scopes[0]"),
    ],
)
def test_SERV_002_a_wrong_field_is_refused_by_its_name(text: str, code: str, field: str) -> None:
    error = refusal(text)
    assert (error.code, error.where["field"]) == (code, field)
    assert error.rule
    assert error.cure


def test_SERV_002_what_is_no_document_says_so(tmp_path: Path) -> None:
    assert refusal("x").code == "SERV-E01"
    with pytest.raises(SteelyardError) as absent:
        read_config(tmp_path / "absent.toml", {})
    assert absent.value.code == "SERV-E01"
    (tmp_path / "bytes.toml").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(SteelyardError) as bytes_:
        read_config(tmp_path / "bytes.toml", {})
    assert bytes_.value.code == "SERV-E01"


def test_SERV_003_variables_stand_above_the_document() -> None:
    made = parse_config(
        "[server]\nport = 8000",
        {
            "STEELYARD_SERVER_PORT": "9000",
            "STEELYARD_SERVER_ALLOWED_ORIGINS": "a, b",
            "STEELYARD_ACCESS_PAGE_LOGIN": "false",
            "STEELYARD_MARKET_SPEED": "2.5",
            "STEELYARD_MARKET_KIND": "none",
        },
    )
    assert made.server.port == 9000
    assert made.server.allowed_origins == ("a", "b")
    assert made.access.page_login is False
    assert (made.market.speed, made.market.kind) == (2.5, "none")


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("STEELYARD_SERVER_PROT", "1"),
        ("STEELYARD_SERVER_PORT", "many"),
        ("STEELYARD_SERVER", "1"),
        ("STEELYARD_ACCESS_PAGE_LOGIN", "perhaps"),
    ],
)
def test_SERV_004_a_variable_that_fits_no_field_is_refused(name: str, text: str) -> None:
    error = refusal("", {name: text})
    assert (error.code, error.where["variable"]) == ("SERV-E04", name)


def test_SERV_004_other_variables_are_left_alone() -> None:
    others = {
        "STEELYARD_MASTER_KEY": "x",
        "STEELYARD_BROWSER": "y",
        "PATH": "/bin",
        "SERVER_PORT": "1",
    }
    assert parse_config("", others) == ServeConfig()


def test_SERV_005_the_documented_example_parses_and_states_the_defaults() -> None:
    assert config.__doc__ is not None
    lines = config.__doc__.split("\n\n")[1:3]
    shown = parse_config("\n".join(lines), {})
    stated = msgspec.to_builtins(shown)
    default = msgspec.to_builtins(ServeConfig())
    differing = {
        (section, field)
        for section, fields in stated.items()
        for field, value in fields.items()
        if value != default[section][field]
    }
    assert differing == {
        ("engine", "title"), ("engine", "journal"), ("engine", "method"), ("access", "keys"),
    }  # fmt: skip


@given(st.text(max_size=200))
def test_SERV_002_any_text_is_a_document_or_a_listed_error(text: str) -> None:
    try:
        made: object = parse_config(text, {"STEELYARD_SERVER_HOST": text})
    except SteelyardError as error:
        made = error
    code = getattr(made, "code", "")
    assert isinstance(made, ServeConfig) or code in ("SERV-E01", "SERV-E02", "SERV-E03")
