"""A cell, tried: its request goes through a proxy to the simulator; the answer is held to what the code says of it."""

import json
import urllib.error
import urllib.request
from typing import Any

from pilothouse_api.names import GATEWAY_SCOPE, ProviderKey, RouteKey
from pilothouse_api.snapshot.providers import Provider
from pilothouse_api.snapshot.routes import Retry, Target
from pilothouse_api.snapshot.snapshot import SCHEMA, Snapshot
from tests.conformance import rows
from tests.conformance.cells import Cell, declared
from tests.conformance.contents import ARGUMENTS, HELLO, compact
from tests.conformance.features import STREAMED, Feature
from tests.conformance.rows import ROWS, Place
from tests.conformance.said import Said
from tests.integration.proxy.configurations import IDENTITY, KEY, route
from tests.simulators.fleet import Simulators


def configuration(simulators: Simulators) -> Snapshot:
    """A provider a place, a route a row."""
    keys = {place: ProviderKey(f"clouds/{place.name.lower()}") for place in Place}
    providers = {
        keys[place]: Provider(
            endpoint=rows.endpoint(place, simulators),
            models={row.name: row.model for row in ROWS if row.place is place},
        )
        for place in Place
    }
    routes = {
        RouteKey(f"apps/{row.name}"): route(
            Target(provider=keys[row.place], model=row.name), models=(row.name,), retry=Retry(attempts=1)
        )
        for row in ROWS
    }
    return Snapshot(
        schema=SCHEMA,
        scope=GATEWAY_SCOPE,
        providers=providers,
        credentials={keys[place]: rows.credential(place) for place in Place},
        routes=routes,
        identity=IDENTITY,
    )


def attempt(cell: Cell, url: str) -> None:
    """Send it, and judge the answer.

    Raises:
        AssertionError: what came is not what the code declares, or not what the feature is for.
    """
    told = declared(cell)
    status, body = _send(url + cell.api.path, compact(cell.body), cell.api.headers)
    if told.dialect is None and not told.estimated:
        assert status in {400, 404}, f"refused by the code, but answered with {status}: {body[:300]!r}"
        error = json.loads(body)["error"]
        assert error["message"], error
        if told.param:
            assert told.param in json.dumps(error), f"the refusal does not name {told.param}: {error}"
        return
    assert status == 200, f"{status}: {body[:500]!r}"
    said = cell.api.reads(body, cell.feature in STREAMED)
    _judge(cell.feature, said)
    assert said.thought or cell.row.hides_thoughts or cell.feature is not Feature.REASONING, said
    assert said.pieces > 1 or not told.streams or cell.feature is not Feature.STREAM, said


def _send(url: str, body: bytes, more: dict[str, str]) -> tuple[int, bytes]:
    headers = {"content-type": "application/json", "authorization": f"Bearer {KEY}", **more}
    request = urllib.request.Request(url, data=body, headers=headers)
    try:
        with urllib.request.urlopen(request, timeout=20) as answer:
            return answer.status, answer.read()
    except urllib.error.HTTPError as error:
        return error.code, error.read()


_UNCOUNTED = frozenset({Feature.RANK, Feature.RANK_DOCUMENTS, Feature.EMBED_IMAGE})
"""Not every reranker tells tokens, and an image may have none."""


def _judge(feature: Feature, said: Said) -> None:
    assert said.tokens > 0 or feature in _UNCOUNTED, "no tokens are told"
    match feature:
        case Feature.COUNT:
            assert said.tokens < 100, said
        case Feature.EMBED | Feature.BASE64 | Feature.EMBED_IMAGE:
            assert [len(vector) > 1 for vector in said.vectors] == [True], said
        case Feature.EMBED_MANY:
            assert len(set(said.vectors)) == 3, said
        case Feature.DIMENSIONS:
            assert [len(vector) for vector in said.vectors] == [256], said
        case Feature.RANK | Feature.RANK_DOCUMENTS:
            assert said.ranks[0] == 1, said
            assert len(said.ranks) == 2, said
            assert feature is Feature.RANK or "a red ship" in said.text, said
        case Feature.TOOLS | Feature.TOOLS_STREAMED:
            assert said.calls == (("get_weather", ARGUMENTS),), said
            assert said.finish == "tool_calls", said
        case Feature.FORCED_TOOL:
            assert [name for name, _ in said.calls] == ["get_weather"], said
        case Feature.TOOL_RESULTS:
            assert "rain" in said.text, said
        case Feature.SCHEMA:
            assert isinstance(json.loads(said.text)["city"], str), said
        case Feature.STOP:
            assert said.text.rstrip().endswith("Hello"), said
            assert said.finish == "stop", said
        case Feature.REASONING:
            assert HELLO in said.text, said
        case _:
            _judge_text(feature, said)


def _judge_text(feature: Feature, said: Said) -> None:
    assert HELLO in said.text, said
    expected: dict[Feature, Any] = {
        Feature.SYSTEM: "Be brief",
        Feature.IMAGE: "images=1",
        Feature.DOCUMENT: "documents=1",
    }
    if feature in expected:
        assert expected[feature] in said.text, said
