"""What is Azure's own, through a proxy: filters, reserved capacity, parameters of reasoning models."""

import itertools
from collections.abc import Iterator
from typing import Any

import openai
import pytest

from tests.integration.proxy.clouds import configuration
from tests.integration.proxy.configurations import KEY
from tests.integration.proxy.control import ControlServer
from tests.integration.proxy.process import Process, process
from tests.simulators import credentials
from tests.simulators.faults import Fault, Kind, Provider
from tests.simulators.fleet import Simulators

POOL_SIZES = itertools.count(64)
HELLO: Any = [{"role": "user", "content": "Hello there"}]


@pytest.fixture(scope="module")
def control(simulators_thread: Simulators) -> Iterator[ControlServer]:
    with ControlServer(configuration(simulators_thread)) as running:
        yield running


@pytest.fixture(scope="module")
def proxy(control: ControlServer) -> Iterator[Process]:
    with process(*control.flags) as running:
        running.event("configuration applied")
        yield running


@pytest.fixture(scope="module")
def shared_client(proxy: Process) -> Iterator[openai.OpenAI]:
    with openai.OpenAI(base_url=f"http://127.0.0.1:{proxy.port}/v1", api_key=KEY, max_retries=0) as client:
        yield client


@pytest.fixture
def client(control: ControlServer, simulators: Simulators, shared_client: openai.OpenAI) -> openai.OpenAI:
    """Nothing is known of the targets yet: their connections have changed in a detail."""
    control.wait_for_ack(control.publish(configuration(simulators, pool_size=next(POOL_SIZES))))
    return shared_client


@pytest.fixture(scope="module")
def straight(simulators_thread: Simulators) -> Iterator[openai.OpenAI]:
    base_url = f"{simulators_thread.azure_url}/openai/v1"
    with openai.OpenAI(base_url=base_url, api_key=credentials.AZURE_API_KEY, max_retries=0) as client:
        yield client


def chunks(client: openai.OpenAI, model: str, text: str) -> list[dict[str, Any]]:
    messages: Any = [{"role": "user", "content": text}]
    options: Any = {"stream": True, "stream_options": {"include_usage": True}}
    told = [
        chunk.model_dump(exclude_unset=True)
        for chunk in client.chat.completions.create(model=model, messages=messages, **options)
    ]
    for chunk in told:
        for member in ("id", "created"):
            chunk.pop(member)
    return told


@pytest.mark.parametrize("wish", ["simulate words=10", "simulate words=10 simulate completion-filter=violence"])
@pytest.mark.parametrize(("model", "deployment"), [("gpt", "gpt-4o"), ("gpt-async", "gpt-4o-async")])
def test_filter_results_pass_as_azure_tells_them(
    client: openai.OpenAI, straight: openai.OpenAI, model: str, deployment: str, wish: str
) -> None:
    through = chunks(client, model, wish)
    assert through == chunks(straight, deployment, wish)
    assert through[0]["choices"] == []
    assert "prompt_filter_results" in through[0]
    reasons = [choice["finish_reason"] for chunk in through for choice in chunk["choices"] if choice["finish_reason"]]
    assert reasons[-1] == ("content_filter" if "filter" in wish else "stop")


def test_annotations_that_come_behind_the_finish_arrive(client: openai.OpenAI) -> None:
    told = chunks(client, "gpt-async", "simulate words=10")
    finish = next(at for at, it in enumerate(told) if it["choices"] and it["choices"][0]["finish_reason"] == "stop")
    late = [it for it in told[finish + 1 :] if it["choices"] and "delta" not in it["choices"][0]]
    assert late
    assert "content_filter_offsets" in late[-1]["choices"][0]


def test_a_late_verdict_reaches_clients_of_another_api_as_the_finish(client: openai.OpenAI) -> None:
    told = list(
        client.completions.create(
            model="gpt-async",
            prompt="simulate words=10 simulate completion-filter=violence",
            max_tokens=50,
            stream=True,
        )
    )
    choices = [choice for chunk in told for choice in chunk.choices]
    assert [choice.finish_reason for choice in choices if choice.finish_reason] == ["content_filter"]
    found: Any = [choice.model_extra for choice in choices if choice.model_extra]
    assert found[-1]["content_filter_results"]["violence"] == {"filtered": True, "severity": "high"}


def test_a_prompt_that_is_blocked_is_told_with_the_reason(client: openai.OpenAI) -> None:
    with pytest.raises(openai.BadRequestError) as refusal:
        client.chat.completions.create(
            model="gpt", messages=[{"role": "user", "content": "simulate prompt-filter=hate"}]
        )
    body: Any = refusal.value.body
    assert refusal.value.code == "content_filter"
    assert body["innererror"]["code"] == "ResponsibleAIPolicyViolation"
    assert body["innererror"]["content_filter_result"]["hate"] == {"filtered": True, "severity": "high"}


def test_a_full_reservation_gives_way_at_once_and_is_asked_again(client: openai.OpenAI, simulators: Simulators) -> None:
    full = Fault(
        kind=Kind.THROTTLE,
        provider=Provider.AZURE,
        model="gpt-4o-ptu",
        name="utilisation",
        retry_after_ms=30_000,
        count=8,
    )
    simulators.controls.fail(full)
    # More often than would eject a target that fails.
    for _ in range(8):
        answer = client.chat.completions.with_raw_response.create(model="reserved", messages=HELLO)
        assert answer.headers["x-pilothouse-attempts"] == "2"
        assert answer.headers["x-pilothouse-model"] == "gpt-4o"
    answer = client.chat.completions.with_raw_response.create(model="reserved", messages=HELLO)
    assert answer.headers["x-pilothouse-attempts"] == "1"
    assert answer.headers["x-pilothouse-model"] == "gpt-4o-ptu"


def test_the_old_name_of_the_limit_reaches_a_reasoning_model_under_the_new_one(client: openai.OpenAI) -> None:
    answer = client.chat.completions.create(model="o4", messages=HELLO, max_tokens=200)
    assert answer.choices[0].finish_reason == "stop"
    assert "max_completion_tokens=200" in (answer.choices[0].message.content or "")


def test_what_else_a_reasoning_model_refuses_is_not_sent(client: openai.OpenAI, simulators: Simulators) -> None:
    before = len(simulators.controls.recorder.records)
    with pytest.raises(openai.BadRequestError) as refusal:
        client.chat.completions.create(model="o4", messages=HELLO, temperature=0.2)
    assert (refusal.value.param, refusal.value.code) == ("temperature", "unsupported_parameter")
    assert len(simulators.controls.recorder.records) == before


def test_members_that_azure_alone_knows_pass(client: openai.OpenAI, simulators: Simulators) -> None:
    extra = {
        "data_sources": [{"type": "azure_search", "parameters": {"index_name": "docs"}}],
        "user_security_context": {"end_user_id": "7f6f"},
    }
    answer = client.chat.completions.create(model="gpt", messages=HELLO, extra_body=extra)
    assert answer.choices[0].finish_reason == "stop"
