"""`GET /v1/models` of servers that speak Anthropic's API, good and bad ones."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from typing import Any

import anthropic.types
import pytest
from aiohttp import web

from pilothouse_api.conditions import Reason
from pilothouse_api.secret import Secret
from pilothouse_api.snapshot.facts import Facts
from pilothouse_operator.compile.identities import AnthropicServer, ModelServer
from pilothouse_operator.discovery import anthropic as listing
from pilothouse_operator.discovery.anthropic import ClaudeModels
from pilothouse_operator.ports import Fault
from tests.simulators import credentials
from tests.simulators.fleet import Simulators

KEY = {"apiKey": Secret(credentials.ANTHROPIC_API_KEY)}
YES, NO = {"supported": True}, {"supported": False}


@asynccontextmanager
async def serving(*answers: Any) -> AsyncIterator[tuple[str, list[str]]]:
    """A server that answers with these, the last one for ever: its base URL, and the targets that were asked for."""
    asked: list[str] = []

    async def handle(request: web.Request) -> web.Response:
        asked.append(request.raw_path)
        return web.json_response(answers[min(len(asked), len(answers)) - 1])

    app = web.Application()
    app.router.add_get("/{path:.*}", handle)
    runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.1)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    try:
        yield f"http://localhost:{runner.addresses[0][1]}", asked
    finally:
        await runner.cleanup()


def page(entries: Sequence[Any], *, more: bool = False, last: Any = None) -> dict[str, Any]:
    return {"data": entries, "has_more": more, "first_id": None, "last_id": last}


async def refused(url: str, values: dict[str, Secret] | None = None) -> Fault:
    with pytest.raises(Fault) as raised:
        await ClaudeModels().models(AnthropicServer(url=url), values or {})
    return raised.value


async def test_the_models_of_a_key_are_listed_with_what_they_take(simulators: Simulators) -> None:
    found = (await ClaudeModels().models(AnthropicServer(url=simulators.anthropic_url), KEY)).models
    assert [one.name for one in found] == sorted(simulators.controls.models.anthropic)
    by_name = {one.name: one for one in found}
    assert by_name["claude-sonnet-5-5"].facts == Facts(
        vision=True,
        documents=True,
        json_schema=True,
        reasoning=True,
        context_tokens=1_000_000,
        max_output_tokens=128_000,
    )
    assert by_name["claude-3-haiku-20240307"].facts.reasoning is False


async def test_lists_are_read_page_by_page(simulators: Simulators, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(listing, "_PAGE", 2)
    found = (await ClaudeModels().models(AnthropicServer(url=simulators.anthropic_url), KEY)).models
    assert [one.name for one in found] == sorted(simulators.controls.models.anthropic)
    assert len([record for record in simulators.controls.recorder.records if record.operation == "models"]) == 3


async def test_a_page_begins_behind_the_last_model_of_the_one_before() -> None:
    first, second = page([{"id": "b"}], more=True, last="b/ü&"), page([{"id": "a"}])
    async with serving(first, second) as (url, asked):
        found = (await ClaudeModels().models(AnthropicServer(url=url), {})).models
    assert [one.name for one in found] == ["a", "b"]
    assert asked == ["/v1/models?limit=1000", "/v1/models?limit=1000&after_id=b/%C3%BC%26"]


@pytest.mark.parametrize("values", [{"apiKey": Secret("sk-wrong-000000000000")}, {}])
async def test_a_wrong_key_is_refused(simulators: Simulators, values: dict[str, Secret]) -> None:
    fault = await refused(simulators.anthropic_url, values)
    assert (fault.reason, fault.passing) == (Reason.DISCOVERY_REFUSED, False)


@pytest.mark.parametrize(
    ("entry", "facts", "obstacle"),
    [
        ({"id": "m"}, Facts(), ""),
        ({"id": "m", "max_input_tokens": None, "max_tokens": 0, "capabilities": None}, Facts(), ""),
        ({"id": "m", "capabilities": {"image_input": "yes", "pdf_input": {"supported": 1}}}, Facts(), ""),
        (
            {"id": "m", "capabilities": {"image_input": YES, "pdf_input": NO, "thinking": {**NO, "types": {}}}},
            Facts(vision=True, documents=False, reasoning=False),
            "",
        ),
        ({"id": "m", "lifecycle": "deprecated"}, Facts(), ""),
        ({"id": "m", "lifecycle": "retired"}, Facts(), "it is retired"),
    ],
)
async def test_what_is_told_of_a_model(entry: Any, facts: Facts, obstacle: str) -> None:
    async with serving(page([entry])) as (url, _):
        (one,) = (await ClaudeModels().models(AnthropicServer(url=url), {})).models
    assert (one.facts, one.obstacle) == (facts, obstacle)


async def test_what_is_no_model_is_passed_over() -> None:
    async with serving(page([5, {"name": "x"}, {"id": ""}, {"id": "a b"}, {"id": "good"}])) as (url, _):
        assert [one.name for one in (await ClaudeModels().models(AnthropicServer(url=url), {})).models] == ["good"]


@pytest.mark.parametrize(
    "answer",
    [
        {"object": "list"},
        page([{"id": "m"}], more=True),
        page([{"id": "m"}], more=True, last="m"),
    ],
)
async def test_what_is_no_list_or_has_no_end(answer: dict[str, Any]) -> None:
    async with serving(answer) as (url, asked):
        fault = await refused(url)
    assert (fault.reason, fault.passing) == (Reason.DISCOVERY_UNAVAILABLE, True)
    assert len(asked) <= 32


async def test_another_kind_of_account_is_a_mistake_of_ours() -> None:
    with pytest.raises(TypeError):
        await ClaudeModels().models(ModelServer(url="http://x"), {})


def test_the_capabilities_are_those_of_the_sdk() -> None:
    assert set(listing._CAPABILITIES.values()) <= set(anthropic.types.ModelCapabilities.model_fields)
