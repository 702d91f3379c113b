"""LangChain (langchain-openai), through the proxy and straight at the simulator.

OPENAI_BASE_URL and OPENAI_API_KEY name the proxy, which serves `claude` (Bedrock), `gpt` and `embed` (Azure) and `chat`
(both); DIRECT_BASE_URL and DIRECT_API_KEY name Azure itself, where `gpt` is the deployment gpt-4o.
"""

import base64
import os
from typing import Any

import openai
import pytest
from langchain_core.messages import AIMessage, HumanMessage, SystemMessage, ToolMessage
from langchain_core.tools import tool
from langchain_openai import ChatOpenAI, OpenAIEmbeddings
from pydantic import BaseModel

PIXEL = base64.b64encode(b"\x89PNG\r\n\x1a\n").decode()
CLOUDS = ["claude", "gpt"]


def through_proxy(model: str, **more: Any) -> ChatOpenAI:
    return ChatOpenAI(model=model, max_retries=0, timeout=10, **more)


def direct(**more: Any) -> ChatOpenAI:
    url, key = os.environ["DIRECT_BASE_URL"], os.environ["DIRECT_API_KEY"]
    return ChatOpenAI(model="gpt-4o", base_url=url, api_key=key, max_retries=0, timeout=10, **more)


@tool
def get_weather(city: str) -> str:
    """The weather of a city."""
    return f"rain in {city}"


class Weather(BaseModel):
    """The weather of a city."""

    city: str
    degrees: int


@pytest.mark.parametrize("model", [*CLOUDS, "chat"])
def test_it_answers_and_counts(model: str) -> None:
    answer = through_proxy(model).invoke("Hello")
    assert str(answer.content).startswith("You said: Hello (")
    assert answer.response_metadata["finish_reason"] == "stop"
    assert answer.usage_metadata is not None
    assert answer.usage_metadata["total_tokens"] > 0


def test_the_proxy_changes_nothing_that_azure_says() -> None:
    proxied, straight = through_proxy("gpt").invoke("Hello"), direct().invoke("Hello")
    assert proxied.content == straight.content
    assert proxied.usage_metadata == straight.usage_metadata
    for name in ("model_name", "finish_reason", "system_fingerprint"):
        assert proxied.response_metadata[name] == straight.response_metadata[name]


def test_system_and_turns_arrive_in_both_clouds() -> None:
    turns = [SystemMessage("Be brief."), HumanMessage("One"), AIMessage("Two"), HumanMessage("Three")]
    for model in CLOUDS:
        said = str(through_proxy(model).invoke(turns).content)
        assert said.startswith("You said: Three (")
        assert "turns=3 system='Be brief.'" in said


@pytest.mark.parametrize("model", CLOUDS)
def test_it_streams_with_usage(model: str) -> None:
    chunks = list(through_proxy(model, stream_usage=True).stream("simulate words=20"))
    total = sum(chunks[1:], chunks[0])
    assert total.content == " ".join(f"word{number}" for number in range(1, 21))
    assert sum(1 for chunk in chunks if chunk.content) == 20
    assert total.usage_metadata is not None
    assert total.usage_metadata["output_tokens"] == 20


@pytest.mark.parametrize("model", CLOUDS)
async def test_it_works_asynchronously(model: str) -> None:
    llm = through_proxy(model)
    answers = await llm.abatch(["One", "Two", "Three"])
    assert [str(answer.content).split(" (")[0] for answer in answers] == [
        "You said: One",
        "You said: Two",
        "You said: Three",
    ]
    assert [chunk async for chunk in llm.astream("Hello")]


@pytest.mark.parametrize("model", CLOUDS)
def test_tools_are_called_and_answered(model: str) -> None:
    llm = through_proxy(model).bind_tools([get_weather])
    asked = HumanMessage('call get_weather {"city": "Oslo"} and call get_weather {"city": "Rome"}')
    first = llm.invoke([asked])
    assert first.response_metadata["finish_reason"] == "tool_calls"
    assert [call["args"] for call in first.tool_calls] == [{"city": "Oslo"}, {"city": "Rome"}]
    results = [ToolMessage(get_weather.invoke(call["args"]), tool_call_id=call["id"]) for call in first.tool_calls]
    second = llm.invoke([asked, first, *results])
    assert str(second.content).startswith("The tools said: rain in Oslo | rain in Rome (")


@pytest.mark.parametrize("model", CLOUDS)
def test_tool_calls_stream(model: str) -> None:
    chunks = list(through_proxy(model).bind_tools([get_weather]).stream('call get_weather {"city": "Oslo"}'))
    total = sum(chunks[1:], chunks[0])
    assert [(call["name"], call["args"]) for call in total.tool_calls] == [("get_weather", {"city": "Oslo"})]


@pytest.mark.parametrize("model", CLOUDS)
def test_structured_output_by_a_forced_tool(model: str) -> None:
    llm = through_proxy(model).with_structured_output(Weather, method="function_calling")
    assert llm.invoke("Hello") == Weather(city="value", degrees=1)


def test_structured_output_by_a_json_schema() -> None:
    llm = through_proxy("gpt").with_structured_output(Weather, method="json_schema")
    assert llm.invoke("Hello") == Weather(city="value", degrees=1)


@pytest.mark.parametrize("model", CLOUDS)
def test_an_image_arrives(model: str) -> None:
    parts: list[Any] = [
        {"type": "text", "text": "Look"},
        {"type": "image_url", "image_url": {"url": f"data:image/png;base64,{PIXEL}"}},
    ]
    assert "images=1" in str(through_proxy(model).invoke([HumanMessage(parts)]).content)


@pytest.mark.parametrize("model", CLOUDS)
def test_the_limit_and_stop_bind(model: str) -> None:
    answer = through_proxy(model, max_completion_tokens=3).invoke("simulate words=50")
    assert (answer.content, answer.response_metadata["finish_reason"]) == ("word1 word2 word3", "length")
    answer = through_proxy(model, stop_sequences=["word3"]).invoke("simulate words=50")
    assert (answer.content, answer.response_metadata["finish_reason"]) == ("word1 word2 ", "stop")


def test_embeddings_equal_those_of_azure_itself() -> None:
    # Without the length check LangChain needs no tokenizer file from the network.
    proxied = OpenAIEmbeddings(model="embed", check_embedding_ctx_length=False, max_retries=0)
    straight = OpenAIEmbeddings(
        model="text-embedding-3-small",
        base_url=os.environ["DIRECT_BASE_URL"],
        api_key=os.environ["DIRECT_API_KEY"],
        check_embedding_ctx_length=False,
        max_retries=0,
    )
    assert proxied.embed_documents(["a", "b"]) == straight.embed_documents(["a", "b"])
    assert len(proxied.embed_query("a")) == 1536


def test_an_unknown_model_is_not_found() -> None:
    with pytest.raises(openai.NotFoundError) as caught:
        through_proxy("nothing").invoke("Hello")
    assert caught.value.code == "model_not_found"


def test_a_parameter_that_bedrock_lacks_is_named() -> None:
    with pytest.raises(openai.BadRequestError) as caught:
        through_proxy("claude", presence_penalty=0.5).invoke("Hello")
    assert caught.value.param == "presence_penalty"
