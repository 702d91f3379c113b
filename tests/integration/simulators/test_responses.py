"""OpenAI's Responses of the simulators by the openai SDK: OpenAI, Azure v1, and Azure's dated version."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import openai
import pydantic
import pytest

from tests import responses_types
from tests.integration.simulators.raw import post
from tests.simulators import credentials
from tests.simulators.fleet import Simulators

DATED = "2025-04-01-preview"
SCHEMA: Any = {
    "type": "object",
    "properties": {"city": {"type": "string"}},
    "required": ["city"],
    "additionalProperties": False,
}
TOOLS: Any = [{"type": "function", "name": "get_weather", "parameters": SCHEMA, "strict": True}]


@pytest.fixture(scope="module")
def shared_dated(simulators_thread: Simulators) -> Iterator[openai.AzureOpenAI]:
    url = simulators_thread.azure_url
    with openai.AzureOpenAI(
        azure_endpoint=url, api_version=DATED, api_key=credentials.AZURE_API_KEY, max_retries=0, timeout=5
    ) as client:
        yield client


@pytest.fixture
def dated(simulators: Simulators, shared_dated: openai.AzureOpenAI) -> openai.AzureOpenAI:
    return shared_dated


@pytest.fixture(params=["plain", "azure_v1", "dated"])
def client(request: pytest.FixtureRequest) -> Any:
    return request.getfixturevalue(request.param)


def test_a_response_answers(client: openai.OpenAI) -> None:
    answer = client.responses.create(model="gpt-4o", input="Hello", instructions="Be brief.")
    assert (answer.status, answer.object) == ("completed", "response")
    assert answer.output_text.startswith("You said: Hello (")
    assert answer.usage is not None
    assert answer.usage.total_tokens == answer.usage.input_tokens + answer.usage.output_tokens


def test_a_stream_accumulates_to_what_its_last_event_says(client: openai.OpenAI) -> None:
    with client.responses.stream(model="o4-mini", input="Hello", reasoning={"summary": "auto"}) as stream:
        told = list(stream)
        final = stream.get_final_response()
    assert [event.sequence_number for event in told] == list(range(len(told)))
    assert [told[0].type, told[1].type, told[-1].type] == [
        "response.created",
        "response.in_progress",
        "response.completed",
    ]
    pieces = [event.delta for event in told if event.type == "response.output_text.delta"]
    assert "".join(pieces) == final.output_text
    assert [item.type for item in final.output] == ["reasoning", "message"]


def test_tools_are_called_and_answered(client: openai.OpenAI) -> None:
    asked: Any = [{"role": "user", "content": 'call get_weather {"city": "Oslo"}'}]
    first = client.responses.create(model="gpt-4o", input=asked, tools=TOOLS, store=False)
    (call,) = first.output
    assert call.type == "function_call"
    assert json.loads(call.arguments) == {"city": "Oslo"}
    result: Any = {"type": "function_call_output", "call_id": call.call_id, "output": "cold"}
    second = client.responses.create(model="gpt-4o", input=[*asked, call, result], tools=TOOLS, store=False)
    assert second.output_text.startswith("The tools said: cold")


def test_a_call_without_its_output_is_refused(client: openai.OpenAI) -> None:
    call: Any = {"type": "function_call", "call_id": "call_1", "name": "get_weather", "arguments": "{}"}
    with pytest.raises(openai.BadRequestError, match="No tool output found for function call call_1"):
        client.responses.create(model="gpt-4o", input=[call], tools=TOOLS)


def test_a_stored_response_can_be_gone_on_from(client: openai.OpenAI) -> None:
    first = client.responses.create(model="gpt-4o", input="Hello")
    second = client.responses.create(model="gpt-4o", input="And now?", previous_response_id=first.id)
    assert "turns=3" in second.output_text
    unkept = client.responses.create(model="gpt-4o", input="Hello", store=False)
    with pytest.raises(openai.BadRequestError, match="not found"):
        client.responses.create(model="gpt-4o", input="And now?", previous_response_id=unkept.id)


def test_encrypted_reasoning_comes_back_as_it_was(client: openai.OpenAI) -> None:
    asked: Any = {"model": "o4-mini", "store": False, "include": ["reasoning.encrypted_content"]}
    first = client.responses.create(input="Hello", **asked)
    history: Any = [{"role": "user", "content": "Hello"}, *first.output, {"role": "user", "content": "And now?"}]
    assert "turns=3" in client.responses.create(input=history, **asked).output_text
    history[1] = first.output[0].model_copy(update={"encrypted_content": "gAAAAABchanged"})
    with pytest.raises(openai.BadRequestError, match="could not be verified") as refused:
        client.responses.create(input=history, **asked)
    assert refused.value.code == "invalid_encrypted_content"
    history[1] = {"type": "reasoning", "id": "rs_1", "summary": []}
    with pytest.raises(openai.BadRequestError, match="Items are not persisted"):
        client.responses.create(input=history, **asked)


def test_models_without_reasoning_have_nothing_to_encrypt(client: openai.OpenAI) -> None:
    with pytest.raises(openai.BadRequestError, match="Encrypted content is not supported with this model"):
        client.responses.create(model="gpt-4o", input="Hello", include=["reasoning.encrypted_content"])


def test_structured_output_is_parsed(client: openai.OpenAI) -> None:
    class Place(pydantic.BaseModel):
        city: str

    assert client.responses.parse(model="gpt-4o", input="Where?", text_format=Place).output_parsed == Place(
        city="value"
    )


def test_an_answer_that_is_cut_is_incomplete(client: openai.OpenAI) -> None:
    answer = client.responses.create(model="gpt-4o", input="simulate words=50", max_output_tokens=16)
    assert answer.status == "incomplete"
    assert answer.incomplete_details is not None
    assert answer.incomplete_details.reason == "max_output_tokens"


def test_a_refusal_is_a_part_of_its_own(client: openai.OpenAI) -> None:
    message: Any = client.responses.create(model="gpt-4o", input="simulate refusal").output[0]
    assert message.content[0].type == "refusal"


def test_input_is_counted(client: openai.OpenAI) -> None:
    counted = client.responses.input_tokens.count(model="gpt-4o", input="Hello")
    answer = client.responses.create(model="gpt-4o", input="Hello")
    assert answer.usage is not None
    assert counted.input_tokens == answer.usage.input_tokens


@pytest.mark.parametrize("how", ["", "=early"])
def test_a_stream_may_fail_after_its_beginning(client: openai.OpenAI, how: str) -> None:
    told = list(client.responses.create(model="gpt-4o", input=f"simulate fail{how}", stream=True))
    assert told[0].type == "response.created"
    assert told[-1].type == "response.failed"


def test_some_models_have_responses_alone(
    plain: openai.OpenAI, azure_v1: openai.OpenAI, dated: openai.AzureOpenAI
) -> None:
    hello: Any = [{"role": "user", "content": "Hello"}]
    with pytest.raises(openai.NotFoundError, match="only supported in v1/responses"):
        plain.chat.completions.create(model="gpt-5-codex", messages=hello)
    for client in (azure_v1, dated):
        with pytest.raises(openai.BadRequestError, match="chatCompletion operation does not work") as refused:
            client.chat.completions.create(model="gpt-5-codex", messages=hello)
        assert refused.value.code == "OperationNotSupported"
    assert plain.responses.create(model="gpt-5-codex", input="Hello").model == "gpt-5-codex-2025-09-15"


def test_old_versions_of_azure_have_no_responses(azure: openai.AzureOpenAI) -> None:
    with pytest.raises(openai.NotFoundError, match="Resource not found"):
        azure.responses.create(model="gpt-4o", input="Hello")


def test_azure_has_them_beside_its_deployments_only(simulators: Simulators) -> None:
    path = f"/openai/deployments/gpt-4o/responses?api-version={DATED}"
    headers = {"api-key": credentials.AZURE_API_KEY}
    assert post(simulators.azure_url, path, headers, b'{"input": "Hello"}').status == 404


@pytest.mark.parametrize("said", ["Hello", 'call get_weather {"city": "Oslo"}; simulate preamble', "simulate refusal"])
def test_streams_hold_to_the_sdks_types_and_to_the_order(simulators: Simulators, said: str) -> None:
    body = {"model": "o4-mini", "input": said, "tools": TOOLS, "stream": True, "reasoning": {"summary": "auto"}}
    headers = {"authorization": f"Bearer {credentials.OPENAI_API_KEY}"}
    answer = post(simulators.openai_url, "/v1/responses", headers, json.dumps(body).encode())
    told = responses_types.events(answer.body)
    responses_types.in_order(told)
    assert told[-1].response.output


def test_azure_says_what_its_filters_found(dated: openai.AzureOpenAI, plain: openai.OpenAI) -> None:
    answer = dated.responses.create(model="gpt-4o", input="Hello")
    assert [row["source_type"] for row in (answer.model_extra or {})["content_filters"]] == ["prompt", "completion"]
    assert not {"content_filters"} & set(plain.responses.create(model="gpt-4o", input="Hello").model_extra or {})
    blocked = dated.responses.create(model="gpt-4o", input="simulate completion-filter=violence")
    assert blocked.incomplete_details is not None
    assert blocked.incomplete_details.reason == "content_filter"
    with pytest.raises(openai.BadRequestError) as refused:
        dated.responses.create(model="gpt-4o", input="simulate prompt-filter")
    assert refused.value.code == "content_filter"
