"""Azure OpenAI and plain OpenAI by the openai SDK: the same calls against all three URLs."""

from __future__ import annotations

import base64
import json
import math
import struct
from typing import Any

import openai
import pytest

from tests.integration.simulators.conftest import DATED
from tests.integration.simulators.raw import post
from tests.simulators import credentials
from tests.simulators.fleet import Simulators

HELLO: Any = [{"role": "user", "content": "Hello"}]
PIXEL = "data:image/png;base64," + base64.b64encode(b"\x89PNG\r\n\x1a\n").decode()


def function(name: str, **properties: Any) -> Any:
    parameters = {"type": "object", "properties": properties, "required": list(properties)}
    return {"type": "function", "function": {"name": name, "parameters": parameters}}


TOOLS: Any = [function("get_weather", city={"type": "string"}), function("clock")]


@pytest.fixture(params=["azure", "azure_v1", "plain"])
def client(request: pytest.FixtureRequest) -> Any:
    return request.getfixturevalue(request.param)


def test_chat_answers(client: openai.OpenAI) -> None:
    answer = client.chat.completions.create(model="gpt-4o", messages=HELLO)
    assert answer.choices[0].finish_reason == "stop"
    assert (answer.choices[0].message.content or "").startswith("You said: Hello (")
    assert answer.model == "gpt-4o-2024-11-20"
    assert answer.usage is not None
    assert answer.usage.total_tokens == answer.usage.prompt_tokens + answer.usage.completion_tokens


async def test_the_asynchronous_client_works(simulators: Simulators) -> None:
    async with openai.AsyncAzureOpenAI(
        azure_endpoint=simulators.azure_url, api_version=DATED, api_key=credentials.AZURE_API_KEY, max_retries=0
    ) as client:
        stream = await client.chat.completions.create(model="gpt-4o", messages=HELLO, stream=True)
        text = [chunk.choices[0].delta.content or "" async for chunk in stream if chunk.choices]
    assert "".join(text).startswith("You said: Hello (azure: model=gpt-4o turns=1")


def test_answers_have_ids_of_their_own(client: openai.OpenAI) -> None:
    answers = [client.chat.completions.create(model="gpt-4o", messages=HELLO) for _ in range(3)]
    assert len({answer.id for answer in answers}) == 3


def test_a_stream_says_the_same(client: openai.OpenAI) -> None:
    whole = client.chat.completions.create(model="gpt-4o", messages=HELLO)
    stream = client.chat.completions.create(
        model="gpt-4o", messages=HELLO, stream=True, stream_options={"include_usage": True}
    )
    chunks = list(stream)
    pieces = [chunk.choices[0].delta.content or "" for chunk in chunks if chunk.choices]
    assert "".join(pieces) == whole.choices[0].message.content
    assert chunks[-1].choices == []
    assert chunks[-1].usage == whole.usage
    assert all(chunk.usage is None for chunk in chunks[:-1])


def test_usage_is_sent_only_when_asked_for(client: openai.OpenAI) -> None:
    chunks = list(client.chat.completions.create(model="gpt-4o", messages=HELLO, stream=True))
    assert all(chunk.usage is None for chunk in chunks)
    assert chunks[-1].choices[0].finish_reason == "stop"


def test_tools_are_called_and_answered(client: openai.OpenAI) -> None:
    asked: Any = [{"role": "user", "content": 'call get_weather {"city": "Oslo"} and call clock'}]
    first = client.chat.completions.create(model="gpt-4o", messages=asked, tools=TOOLS)
    message = first.choices[0].message
    assert first.choices[0].finish_reason == "tool_calls"
    assert message.content is None
    calls: Any = message.tool_calls
    assert [(call.function.name, json.loads(call.function.arguments)) for call in calls] == [
        ("get_weather", {"city": "Oslo"}),
        ("clock", {}),
    ]
    results: Any = [{"role": "tool", "tool_call_id": call.id, "content": call.function.name} for call in calls]
    second = client.chat.completions.create(model="gpt-4o", messages=[*asked, message, *results], tools=TOOLS)
    assert (second.choices[0].message.content or "").startswith("The tools said: get_weather | clock (")


def test_tool_calls_stream_in_pieces(client: openai.OpenAI) -> None:
    asked: Any = [{"role": "user", "content": 'call get_weather {"city": "Llanfairpwllgwyngyll"} and call clock'}]
    with client.chat.completions.stream(model="gpt-4o", messages=asked, tools=TOOLS) as stream:
        final = stream.get_final_completion()
    calls: Any = final.choices[0].message.tool_calls
    assert json.loads(calls[0].function.arguments) == {"city": "Llanfairpwllgwyngyll"}
    assert (calls[1].function.name, calls[1].function.arguments) == ("clock", "{}")


@pytest.mark.parametrize(
    ("choice", "called"),
    [
        ("none", []),
        ("auto", []),
        ("required", ["get_weather"]),
        ({"type": "function", "function": {"name": "clock"}}, ["clock"]),
    ],
)
def test_tool_choice_binds(plain: openai.OpenAI, choice: Any, called: list[str]) -> None:
    answer = plain.chat.completions.create(model="gpt-4o", messages=HELLO, tools=TOOLS, tool_choice=choice)
    calls: Any = answer.choices[0].message.tool_calls or []
    assert [call.function.name for call in calls] == called


def test_one_call_at_a_time_when_asked(plain: openai.OpenAI) -> None:
    answer = plain.chat.completions.create(
        model="gpt-4o",
        messages=[{"role": "user", "content": "call get_weather and call clock"}],
        tools=TOOLS,
        parallel_tool_calls=False,
    )
    assert len(answer.choices[0].message.tool_calls or ()) == 1


def test_images_are_counted(client: openai.OpenAI) -> None:
    parts: Any = [
        {"type": "text", "text": "Look"},
        {"type": "image_url", "image_url": {"url": PIXEL}},
        {"type": "image_url", "image_url": {"url": "https://example.com/a.png"}},
    ]
    answer = client.chat.completions.create(model="gpt-4o", messages=[{"role": "user", "content": parts}])
    assert "images=2" in (answer.choices[0].message.content or "")


def test_several_choices(client: openai.OpenAI) -> None:
    answer = client.chat.completions.create(model="gpt-4o", messages=HELLO, n=3)
    assert [choice.index for choice in answer.choices] == [0, 1, 2]
    chunks = list(client.chat.completions.create(model="gpt-4o", messages=HELLO, n=2, stream=True))
    assert {chunk.choices[0].index for chunk in chunks if chunk.choices} == {0, 1}


def test_the_limit_and_stop_bind(client: openai.OpenAI) -> None:
    words: Any = [{"role": "user", "content": "simulate words=50"}]
    answer = client.chat.completions.create(model="gpt-4o", messages=words, max_tokens=3)
    assert (answer.choices[0].finish_reason, answer.choices[0].message.content) == ("length", "word1 word2 word3")
    answer = client.chat.completions.create(model="gpt-4o", messages=words, stop=["word3"])
    assert (answer.choices[0].finish_reason, answer.choices[0].message.content) == ("stop", "word1 word2 ")


def test_logprobs_come_when_asked(plain: openai.OpenAI) -> None:
    answer = plain.chat.completions.create(model="gpt-4o", messages=HELLO, logprobs=True, top_logprobs=1)
    logprobs = answer.choices[0].logprobs
    assert logprobs is not None and logprobs.content is not None
    assert "".join(token.token for token in logprobs.content) == answer.choices[0].message.content


def test_a_json_schema_is_answered_with_a_fitting_value(client: openai.OpenAI) -> None:
    schema = {"type": "object", "properties": {"kind": {"enum": ["a", "b"]}}, "required": ["kind"]}
    answer = client.chat.completions.create(
        model="gpt-4o",
        messages=HELLO,
        response_format={"type": "json_schema", "json_schema": {"name": "x", "schema": schema}},
    )
    assert json.loads(answer.choices[0].message.content or "") == {"kind": "a"}


def test_a_json_object_is_json(client: openai.OpenAI) -> None:
    asked: Any = [{"role": "user", "content": "Give me json"}]
    answer = client.chat.completions.create(model="gpt-4o", messages=asked, response_format={"type": "json_object"})
    assert json.loads(answer.choices[0].message.content or "") == {"echo": "Give me json"}


def test_a_refusal_can_be_had(plain: openai.OpenAI) -> None:
    asked: Any = [{"role": "user", "content": "simulate refusal"}]
    message = plain.chat.completions.create(model="gpt-4o", messages=asked).choices[0].message
    assert message.content is None and message.refusal


def test_a_long_prefix_is_cached(client: openai.OpenAI) -> None:
    def cached(text: str) -> int:
        messages: Any = [{"role": "system", "content": "rule " * 2000}, {"role": "user", "content": text}]
        usage = client.chat.completions.create(model="gpt-4o", messages=messages).usage
        assert usage is not None and usage.prompt_tokens_details is not None
        return usage.prompt_tokens_details.cached_tokens or 0

    assert cached("One") == 0
    assert cached("Two") == 2432
    assert cached("Two") == 2432


def test_reasoning_models_count_their_reasoning(azure_v1: openai.OpenAI) -> None:
    answer = azure_v1.chat.completions.create(model="o4-mini", messages=HELLO, reasoning_effort="low")
    assert answer.usage is not None and answer.usage.completion_tokens_details is not None
    assert (answer.usage.completion_tokens_details.reasoning_tokens or 0) > 0


def test_embeddings_are_unit_vectors_of_their_text(client: openai.OpenAI) -> None:
    answer = client.embeddings.create(model="text-embedding-3-small", input=["a", "b", "a"])
    first, second, third = (row.embedding for row in answer.data)
    assert first == third != second
    assert len(first) == 1536
    assert math.isclose(sum(value * value for value in first), 1.0, rel_tol=1e-5)
    assert answer.usage.prompt_tokens == 3


def test_embeddings_agree_in_both_encodings(client: openai.OpenAI) -> None:
    def row(encoding: Any) -> Any:
        return (
            client.embeddings.create(model="text-embedding-3-small", input="a", dimensions=8, encoding_format=encoding)
            .data[0]
            .embedding
        )

    packed = base64.b64decode(row("base64"))
    assert list(struct.unpack("<8f", packed)) == pytest.approx(row("float"), rel=1e-6)


def test_token_ids_are_embedded(plain: openai.OpenAI) -> None:
    answer = plain.embeddings.create(model="text-embedding-3-small", input=[[1, 2], [3]])
    assert (len(answer.data), answer.usage.prompt_tokens) == (2, 3)


def test_models_are_listed(azure_v1: openai.OpenAI, plain: openai.OpenAI) -> None:
    assert "gpt-4o" in [model.id for model in plain.models.list()]
    listed = [model.id for model in azure_v1.models.list()]
    # Azure lists the models of the region, never the deployments.
    assert "gpt-4o-2024-11-20" in listed and "gpt" not in listed


# Sign-in and URLs


def test_a_wrong_key_is_refused(simulators: Simulators, client: openai.OpenAI) -> None:
    with pytest.raises(openai.AuthenticationError) as caught:
        client.with_options(api_key="wrong").chat.completions.create(model="gpt-4o", messages=HELLO)
    assert caught.value.status_code == 401
    assert caught.value.code == ("invalid_api_key" if str(client.base_url).startswith(simulators.openai_url) else "401")


def test_both_keys_of_azure_open_and_are_told_apart(simulators: Simulators, azure: openai.AzureOpenAI) -> None:
    azure.chat.completions.create(model="gpt-4o", messages=HELLO)
    azure.with_options(api_key=credentials.AZURE_API_KEY_2).chat.completions.create(model="gpt-4o", messages=HELLO)
    records = simulators.controls.recorder.shown(provider="azure")
    assert [record["credential"] for record in records] == ["key1", "key2"]
    assert all(dict(record["headers"])["api-key"] == "[redacted]" for record in records)


def test_a_bearer_key_is_for_v1_only(simulators: Simulators) -> None:
    headers = {"authorization": f"Bearer {credentials.AZURE_API_KEY}"}
    body = json.dumps({"model": "gpt-4o", "messages": HELLO}).encode()
    dated = f"/openai/deployments/gpt-4o/chat/completions?api-version={DATED}"
    assert post(simulators.azure_url, "/openai/v1/chat/completions", headers, body).status == 200
    assert post(simulators.azure_url, dated, headers, body).status == 401


@pytest.mark.parametrize("name", ["azure", "azure_v1"])
def test_an_unknown_deployment_is_named_so(request: pytest.FixtureRequest, name: str) -> None:
    client: openai.OpenAI = request.getfixturevalue(name)
    with pytest.raises(openai.NotFoundError) as caught:
        client.chat.completions.create(model="nothing", messages=HELLO)
    assert caught.value.code == "DeploymentNotFound"


def test_an_unknown_model_is_named_so(plain: openai.OpenAI) -> None:
    with pytest.raises(openai.NotFoundError) as caught:
        plain.chat.completions.create(model="nothing", messages=HELLO)
    assert caught.value.code == "model_not_found"


@pytest.mark.parametrize(
    "target",
    [
        "/openai/deployments/gpt-4o/chat/completions?api-version=2021-01-01",
        "/openai/deployments/gpt-4o/chat/completions",
        "/openai/deployments/gpt-4o/chat/nothing?api-version=2024-10-21",
        "/openai/chat/completions?api-version=2024-10-21",
        "/openai/v1/nothing",
        "/nothing",
    ],
)
def test_a_wrong_version_or_path_is_resource_not_found(simulators: Simulators, target: str) -> None:
    answer = post(simulators.azure_url, target, {"api-key": credentials.AZURE_API_KEY}, b"{}")
    assert (answer.status, answer.json()) == (404, {"error": {"code": "404", "message": "Resource not found"}})


def test_v1_takes_no_dated_version(simulators: Simulators) -> None:
    target = f"/openai/v1/chat/completions?api-version={DATED}"
    answer = post(simulators.azure_url, target, {"api-key": credentials.AZURE_API_KEY}, b"{}")
    assert (answer.status, answer.json()["error"]["message"]) == (400, "API version not supported")


def test_an_old_version_does_not_know_new_parameters(simulators: Simulators) -> None:
    with openai.AzureOpenAI(
        azure_endpoint=simulators.azure_url, api_version="2024-02-01", api_key=credentials.AZURE_API_KEY, max_retries=0
    ) as client:
        with pytest.raises(openai.BadRequestError, match="Unrecognized request argument supplied: stream_options"):
            client.chat.completions.create(
                model="gpt-4o", messages=HELLO, stream=True, stream_options={"include_usage": True}
            )
        assert client.chat.completions.create(model="gpt-4o", messages=HELLO, max_tokens=3)


# Refusals


@pytest.mark.parametrize(
    ("more", "param", "words"),
    [
        ({"messages": []}, "messages", "empty array"),
        ({"messages": [{"role": "bot", "content": "x"}]}, "messages[0].role", "Invalid value: 'bot'"),
        ({"messages": [{"role": "user", "content": None}]}, "messages[0].content", "expected a string, got null"),
        (
            {"messages": [{"role": "tool", "tool_call_id": "x", "content": "x"}]},
            "messages[0].role",
            "preceeding message",
        ),
        (
            {
                "messages": [
                    {
                        "role": "assistant",
                        "tool_calls": [{"id": "c1", "type": "function", "function": {"name": "f", "arguments": "{}"}}],
                    },
                    *HELLO,
                ]
            },
            "messages",
            "did not have response messages: c1",
        ),
        (
            {"messages": [{"role": "user", "content": [{"type": "image_url", "image_url": {"url": "ftp://x"}}]}]},
            "messages[0].content[0]",
            "Invalid image URL",
        ),
        ({"temperature": 3}, "temperature", "below the maximum value: 2"),
        ({"temperature": "hot"}, "temperature", "expected a number"),
        ({"max_tokens": 0}, "max_tokens", "above the minimum value: 1"),
        ({"max_tokens": 999_999}, "max_tokens", "at most 16384 completion tokens"),
        ({"n": 1.5}, "n", "expected an integer"),
        ({"stream_options": {"include_usage": True}}, "stream_options", "only allowed when 'stream' is enabled"),
        ({"tools": []}, "tools", "minimum length 1"),
        ({"tools": [function("a b")]}, "tools[0].function.name", "does not match pattern"),
        ({"tool_choice": "auto"}, "tool_choice", "only allowed when 'tools' are specified"),
        ({"parallel_tool_calls": True}, "parallel_tool_calls", "only allowed when 'tools' are specified"),
        ({"top_logprobs": 2}, "top_logprobs", "only allowed when 'logprobs' is enabled"),
        ({"stop": ["a"] * 5}, "stop", "maximum length 4"),
        ({"response_format": {"type": "json_object"}}, "messages", "must contain the word 'json'"),
        ({"response_format": {"type": "xml"}}, "response_format.type", "Invalid value: 'xml'"),
        ({"extra_body": {"colour": "red"}}, None, "Unrecognized request argument supplied: colour"),
        ({"reasoning_effort": "low"}, None, "reasoning_effort"),
    ],
)
def test_a_wrong_request_is_refused_by_name(plain: openai.OpenAI, more: Any, param: str | None, words: str) -> None:
    with pytest.raises(openai.BadRequestError) as caught:
        plain.chat.completions.create(**{"model": "gpt-4o", "messages": HELLO, **more})
    assert caught.value.param == param
    assert words in str(caught.value)


@pytest.mark.parametrize(
    ("more", "param", "code"),
    [
        ({"max_tokens": 10}, "max_tokens", "unsupported_parameter"),
        ({"temperature": 0.2}, "temperature", "unsupported_value"),
        ({"top_p": 0.5}, "top_p", "unsupported_value"),
        ({"presence_penalty": 1}, "presence_penalty", "unsupported_value"),
        ({"logprobs": True}, "logprobs", "unsupported_parameter"),
        ({"logit_bias": {"1": 1}}, "logit_bias", "unsupported_parameter"),
        ({"tools": TOOLS, "parallel_tool_calls": True}, "parallel_tool_calls", "unsupported_parameter"),
    ],
)
def test_a_reasoning_model_refuses_what_it_does_not_take(
    azure_v1: openai.OpenAI, more: Any, param: str, code: str
) -> None:
    with pytest.raises(openai.BadRequestError) as caught:
        azure_v1.chat.completions.create(**{"model": "o4-mini", "messages": HELLO, **more})
    assert (caught.value.param, caught.value.code) == (param, code)
    azure_v1.chat.completions.create(model="o4-mini", messages=HELLO, temperature=1, max_completion_tokens=50)


def test_a_reasoning_model_takes_system_or_developer(azure_v1: openai.OpenAI) -> None:
    both: Any = [{"role": "system", "content": "a"}, {"role": "developer", "content": "b"}, *HELLO]
    with pytest.raises(openai.BadRequestError, match="must not be used together"):
        azure_v1.chat.completions.create(model="o4-mini", messages=both)


def test_too_long_a_prompt_has_its_code(client: openai.OpenAI) -> None:
    long: Any = [{"role": "user", "content": "x" * 600_000}]
    with pytest.raises(openai.BadRequestError) as caught:
        client.chat.completions.create(model="gpt-4o", messages=long)
    assert caught.value.code == "context_length_exceeded"


@pytest.mark.parametrize(
    ("model", "more", "words"),
    [
        ("text-embedding-3-small", {"input": []}, "input"),
        ("text-embedding-3-small", {"input": ""}, "input"),
        ("text-embedding-3-small", {"input": ["a", ""]}, "input"),
        ("text-embedding-3-small", {"input": "a", "dimensions": 5000}, "less than or equal to 1536"),
        ("text-embedding-ada-002", {"input": "a", "dimensions": 10}, "does not support specifying dimensions"),
        ("text-embedding-3-small", {"input": "x" * 40_000}, "maximum context length is 8192"),
        ("gpt-4o", {"input": "a"}, "does not work with the specified model"),
    ],
)
def test_wrong_embeddings_are_refused(azure_v1: openai.OpenAI, model: str, more: Any, words: str) -> None:
    with pytest.raises(openai.BadRequestError, match=words):
        azure_v1.embeddings.create(model=model, **more)


def test_an_embedding_model_does_not_chat(client: openai.OpenAI) -> None:
    with pytest.raises(openai.BadRequestError) as caught:
        client.chat.completions.create(model="text-embedding-3-small", messages=HELLO)
    assert caught.value.code == "OperationNotSupported"


def test_a_body_that_is_not_json_is_refused(simulators: Simulators) -> None:
    headers = {"authorization": f"Bearer {credentials.OPENAI_API_KEY}"}
    answer = post(simulators.azure_url, "/v1/chat/completions", headers, b"{")
    assert (answer.status, answer.json()["error"]["type"]) == (400, "invalid_request_error")
