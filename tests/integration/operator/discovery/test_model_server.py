"""`GET /models` of servers that speak the OpenAI API, good and bad ones."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web

from pilothouse_api.conditions import Reason
from pilothouse_api.secret import Secret
from pilothouse_api.snapshot.facts import Facts
from pilothouse_operator.compile.discovered import FoundModel
from pilothouse_operator.compile.identities import ModelServer
from pilothouse_operator.discovery import documents
from pilothouse_operator.discovery.model_server import ServedModels
from pilothouse_operator.ports import Fault
from tests.simulators import credentials
from tests.simulators.fleet import Simulators
from tests.simulators.wire.tls import LocalAuthority

KEY = {"apiKey": Secret(credentials.OPENAI_API_KEY)}
Serve = Callable[..., AbstractAsyncContextManager[str]]


@asynccontextmanager
async def serving(
    answer: web.Response | Callable[[web.Request], web.StreamResponse], **more: Any
) -> AsyncIterator[str]:
    """A server with just this answer; its base URL."""

    async def handle(request: web.Request) -> web.StreamResponse:
        return answer(request) if callable(answer) else answer

    app = web.Application()
    app.router.add_get("/{path:.*}", handle)
    runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.1)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0, **more)
    await site.start()
    scheme = "https" if more else "http"
    try:
        yield f"{scheme}://localhost:{runner.addresses[0][1]}/v1"
    finally:
        await runner.cleanup()


def listing(*entries: Any) -> web.Response:
    return web.json_response({"object": "list", "data": list(entries)})


async def found(answer: web.Response) -> tuple[FoundModel, ...]:
    async with serving(answer) as url:
        return (await ServedModels().models(ModelServer(url=url), {})).models


async def refused(url: str, values: dict[str, Secret] | None = None) -> Fault:
    with pytest.raises(Fault) as raised:
        await ServedModels().models(ModelServer(url=url), values or {})
    return raised.value


async def test_the_models_of_a_key_are_listed(simulators: Simulators) -> None:
    models = (await ServedModels().models(ModelServer(url=simulators.openai_url), KEY)).models
    assert [one.name for one in models] == sorted(simulators.controls.models.openai)
    assert {one.facts for one in models} == {Facts()}


async def test_a_wrong_key_is_refused(simulators: Simulators) -> None:
    fault = await refused(simulators.openai_url, {"apiKey": Secret("sk-wrong-000000000000")})
    assert (fault.reason, fault.passing) == (Reason.DISCOVERY_REFUSED, False)


@pytest.mark.parametrize(
    ("entry", "facts"),
    [
        ({"id": "m", "max_model_len": 4096}, Facts(context_tokens=4096)),
        (
            {"id": "m", "context_window": 131072, "max_completion_tokens": 8192},
            Facts(context_tokens=131072, max_output_tokens=8192),
        ),
        (
            {
                "id": "m",
                "context_length": 200000,
                "architecture": {"input_modalities": ["text", "image"]},
                "supported_parameters": ["tools", "max_tokens"],
            },
            Facts(
                context_tokens=200000,
                vision=True,
                documents=False,
                audio=False,
                tools=True,
                json_schema=False,
                reasoning=False,
            ),
        ),
        ({"id": "m", "max_model_len": "4096", "architecture": "x", "supported_parameters": 5}, Facts()),
    ],
)
async def test_what_servers_tell_of_their_models(entry: Any, facts: Facts) -> None:
    """vLLM, Groq and OpenRouter as their API pages have it; and what only looks like it."""
    (one,) = await found(listing(entry))
    assert one.facts == facts


async def test_what_is_no_model_is_passed_over() -> None:
    entries = [5, {"name": "x"}, {"id": ""}, {"id": "a b"}, {"id": "\u00fc"}, {"id": "x" * 254}, {"id": "good"}]
    assert [one.name for one in await found(listing(*entries))] == ["good"]


@pytest.mark.parametrize(
    ("answer", "reason", "throttled"),
    [
        (web.Response(status=429, headers={"retry-after": "7"}), Reason.DISCOVERY_UNAVAILABLE, True),
        (web.Response(status=503), Reason.DISCOVERY_UNAVAILABLE, False),
        (web.Response(status=404), Reason.DISCOVERY_REFUSED, False),
        (web.Response(status=302, headers={"location": "http://169.254.169.254/"}), Reason.DISCOVERY_REFUSED, False),
        (web.Response(text="<html>sign in</html>"), Reason.DISCOVERY_UNAVAILABLE, False),
        (web.Response(text="[" * 100_000), Reason.DISCOVERY_UNAVAILABLE, False),
        (web.json_response({"data": {}}), Reason.DISCOVERY_UNAVAILABLE, False),
    ],
)
async def test_what_is_no_list(answer: web.Response, reason: Reason, throttled: bool) -> None:
    async with serving(answer) as url:
        fault = await refused(url)
    assert (fault.reason, fault.throttled) == (reason, throttled)
    assert fault.retry_after_s == (7.0 if throttled else None)


async def test_an_answer_without_end_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(documents, "_LONGEST_BYTES", 1 << 20)
    async with serving(web.Response(text=json.dumps({"data": ["x" * (2 << 20)]}))) as url:
        fault = await refused(url)
    assert "more than 1 MiB" in fault.message


async def test_nobody_there_is_a_passing_fault() -> None:
    fault = await refused("http://127.0.0.1:9/v1")
    assert (fault.reason, fault.passing) == (Reason.DISCOVERY_UNAVAILABLE, True)


async def test_a_certificate_is_trusted_that_the_manifest_names_and_no_other(tmp_path: Path) -> None:
    authority = LocalAuthority(tmp_path)
    bundle = (tmp_path / "ca.pem").read_text()
    async with serving(listing({"id": "m"}), ssl_context=authority.server("localhost")) as url:
        (one,) = (await ServedModels().models(ModelServer(url=url, ca_bundle=bundle), {})).models
        fault = await refused(url)
    assert one.name == "m"
    assert fault.reason is Reason.DISCOVERY_UNAVAILABLE


async def test_the_way_is_by_the_forward_proxy_that_the_manifest_names() -> None:
    seen: list[tuple[str, str | None]] = []

    def proxy(request: web.Request) -> web.Response:
        seen.append((request.raw_path, request.headers.get("proxy-authorization")))
        return listing({"id": "m"})

    async with serving(proxy) as url:
        account = ModelServer(url="http://vllm.models.svc:8000/v1", proxy=url.removesuffix("/v1"))
        user = {"username": Secret("planted-user"), "password": Secret("planted-password")}
        (one,) = (await ServedModels().models(account, user)).models
    assert one.name == "m"
    assert seen[0][0] == "http://vllm.models.svc:8000/v1/models"
    assert seen[0][1] is not None and seen[0][1].startswith("Basic ")
