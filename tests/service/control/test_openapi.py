"""The description, and that what is served is what it says."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from contextlib import suppress
from typing import Any

import pytest
from hypothesis import HealthCheck, Phase, given, seed, settings
from hypothesis.errors import Unsatisfiable

from steelyard.service.control.app import control_routes
from steelyard.service.rewind.impact import Change, ImpactReport, impact
from tests.service.control.roles import Desk

schemathesis = pytest.importorskip("schemathesis")
SEED = 20261121
EXAMPLES = 5


def _resolved(document: dict[str, Any], found: dict[str, Any]) -> dict[str, Any]:
    """Return what a reference stands for."""
    while "$ref" in found:
        place: Any = document
        for name in found["$ref"].removeprefix("#/").split("/"):
            place = place[name]
        found = place
    return found


def test_PLAN_060_the_description_is_complete(desk: Desk) -> None:
    document = desk.ask("", "/openapi.json").json()
    assert document["openapi"] == "3.1.0"
    assert document["servers"] == [{"url": "/v1"}]
    operations = [
        (path, method, operation)
        for path, methods in document["paths"].items()
        for method, operation in methods.items()
    ]
    assert len(operations) == len(control_routes(desk.app)) - 1  # itself is left out
    assert len({operation["operationId"] for _, _, operation in operations}) == len(operations)
    for path, method, operation in operations:
        assert re.fullmatch(r"[a-z][A-Za-z]+", operation["operationId"])
        assert operation["summary"]
        assert operation["tags"]
        assert ("{account}" in path) == (operation["x-touches"] == "one")
        is_public = operation["x-scope"] == "public"
        assert bool(operation["security"]) != is_public
        names = {each["name"] for each in operation.get("parameters", ())}
        is_write = method != "get" and not operation.get("x-is-question")
        assert ("Idempotency-Key" in names) == is_write
        responses = operation["responses"]
        wanted = {"429", "500"} | (set() if is_public else {"400", "401", "403", "422", "503"})
        assert wanted <= set(responses)
        assert not is_write or {"409", "413", "415"} <= set(responses)
        for status, response in responses.items():
            whole = _resolved(document, response)
            assert whole["description"]
            if status >= "400":
                assert list(whole["content"]) == ["application/problem+json"]
        if method == "get":
            assert {"ETag", "As-Of-Seq"} <= set(responses["200"]["headers"])
        if "requestBody" in operation:
            body = operation["requestBody"]["content"]["application/json"]["schema"]
            schema = _resolved(document, body)
            assert schema["additionalProperties"] is False
            assert schema["examples"]


def test_PLAN_060_nothing_in_it_is_of_the_framework(desk: Desk) -> None:
    text = desk.ask("", "/openapi.json").text
    for word in ("HTTPValidationError", "ValidationError", "Successful Response", "FastAPI"):
        assert word not in text


def test_PLAN_060_money_is_text_and_times_have_units(desk: Desk) -> None:
    """No field of an answer is a float; what is a time says its unit."""
    document = desk.ask("", "/openapi.json").json()
    for name, schema in document["components"]["schemas"].items():
        for field, kind in schema.get("properties", {}).items():
            assert kind.get("type") != "number", (name, field)
            assert not field.endswith(("_at", "_time", "_ms", "timestamp")), (name, field)


# -- generated requests --------------------------------------------------------------------------


@pytest.fixture(scope="module")
def fuzzed(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Desk]:
    with Desk(tmp_path_factory.mktemp("fuzzed") / "venue.journal") as found:

        async def beside(changes: Sequence[tuple[str, str]]) -> ImpactReport:
            return impact(found.engine, [Change(*each) for each in changes])

        found.app.state.plane.impact = beside
        yield found


@pytest.mark.parametrize("mode", ["positive", "negative"])
def test_PLAN_061_what_is_served_is_what_is_described(fuzzed: Desk, mode: str) -> None:
    """Every operation, with requests that fit its schema and such that do not."""

    async def app(scope: Any, receive: Any, send: Any) -> None:
        # As a mount does, but for its pattern: that takes a path with a line feed for another's.
        await fuzzed.app(dict(scope) | {"root_path": "/v1"}, receive, send)

    config = schemathesis.Config.from_dict({"seed": SEED})
    schema = schemathesis.openapi.from_asgi("/v1/openapi.json", app, config=config)
    schema.validate()
    asked = {
        result.ok().label: _ask(fuzzed, result.ok(), mode) for result in schema.get_all_operations()
    }
    assert sum(1 for count in asked.values() if count) > (40 if mode == "positive" else 30), asked


def _ask(desk: Desk, operation: Any, mode: str) -> int:
    """Return how many generated requests of an operation were answered as it is described.

    Left out is the check that whatever fits a schema is taken: it may break a rule that the engine alone
    knows (there is no asset of this name), and is told so by 422.
    """
    from schemathesis.specs.openapi.checks import positive_data_acceptance

    headers = {"Authorization": f"Bearer {desk.bearers['admin']}"}
    asked = 0

    @seed(SEED)
    @settings(
        max_examples=EXAMPLES, derandomize=True, deadline=None, database=None,
        phases=(Phase.generate,), suppress_health_check=list(HealthCheck),
    )  # fmt: skip
    @given(case=operation.as_strategy(generation_mode=schemathesis.GenerationMode(mode)))
    def ask(case: Any) -> None:
        nonlocal asked
        asked += 1
        case.call_and_validate(headers=headers, excluded_checks=[positive_data_acceptance])
        assert desk.incidents == [], desk.incidents[-1]

    with suppress(Unsatisfiable):  # some have nothing that could be negated
        ask()
    return asked
