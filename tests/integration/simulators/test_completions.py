"""Legacy completions of the OpenAI and Azure simulators, as the openai SDK shows them."""

from __future__ import annotations

from typing import Any

import openai
import pytest

from tests.simulators import credentials
from tests.simulators.fleet import Simulators

MODELS = {"openai": "gpt-3.5-turbo-instruct", "azure": "gpt-35-turbo-instruct", "azure v1": "gpt-35-turbo-instruct"}


@pytest.fixture
def clients(simulators: Simulators, azure: openai.AzureOpenAI, azure_v1: openai.OpenAI) -> dict[str, openai.OpenAI]:
    plain = openai.OpenAI(base_url=simulators.openai_url, api_key=credentials.OPENAI_API_KEY, max_retries=0)
    return {"openai": plain, "azure": azure, "azure v1": azure_v1}


@pytest.mark.parametrize("service", MODELS)
def test_a_prompt_is_continued(clients: dict[str, openai.OpenAI], service: str) -> None:
    answer = clients[service].completions.create(model=MODELS[service], prompt="Once", max_tokens=50)
    assert answer.object == "text_completion"
    assert answer.choices[0].text.startswith("You said: Once")
    assert answer.choices[0].finish_reason == "stop"
    assert answer.usage is not None
    assert answer.usage.prompt_tokens == 1


@pytest.mark.parametrize("service", MODELS)
def test_sixteen_tokens_are_written_where_nobody_names_a_limit(clients: dict[str, openai.OpenAI], service: str) -> None:
    answer = clients[service].completions.create(model=MODELS[service], prompt="simulate words=40")
    assert answer.usage is not None
    assert (answer.usage.completion_tokens, answer.choices[0].finish_reason) == (16, "length")


@pytest.mark.parametrize("service", MODELS)
def test_each_prompt_has_its_choices(clients: dict[str, openai.OpenAI], service: str) -> None:
    answer = clients[service].completions.create(
        model=MODELS[service], prompt=["One", "Two"], n=2, echo=True, max_tokens=50
    )
    assert [choice.index for choice in answer.choices] == [0, 1, 2, 3]
    assert [choice.text[:3] for choice in answer.choices] == ["One", "One", "Two", "Two"]


@pytest.mark.parametrize("service", MODELS)
def test_a_stream_adds_up(clients: dict[str, openai.OpenAI], service: str) -> None:
    chunks = list(
        clients[service].completions.create(
            model=MODELS[service],
            prompt="simulate words=5",
            stream=True,
            stream_options={"include_usage": True},
        )
    )
    text = "".join(choice.text for chunk in chunks for choice in chunk.choices)
    assert text == "word1 word2 word3 word4 word5"
    assert chunks[-1].usage is not None
    assert chunks[-1].usage.completion_tokens == 5


REFUSALS: list[tuple[str, str, str, type[openai.APIStatusError], str]] = [
    ("openai", "completions", "gpt-4o", openai.NotFoundError, "a chat model and not supported in the v1/completions"),
    ("openai", "chat", "gpt-3.5-turbo-instruct", openai.NotFoundError, "not a chat model"),
    ("azure", "completions", "gpt-4o", openai.BadRequestError, "The completion operation does not work"),
    ("azure", "chat", "gpt-35-turbo-instruct", openai.BadRequestError, "The chatCompletion operation does not work"),
    ("azure v1", "completions", "o4-mini", openai.BadRequestError, "The completion operation"),
]


@pytest.mark.parametrize(("service", "operation", "model", "error", "words"), REFUSALS)
def test_models_of_the_other_api_are_refused(
    clients: dict[str, openai.OpenAI],
    service: str,
    operation: str,
    model: str,
    error: type[openai.APIStatusError],
    words: str,
) -> None:
    asked: Any = {"messages": [{"role": "user", "content": "Hi"}]} if operation == "chat" else {"prompt": "Hi"}
    client = clients[service]
    create: Any = client.chat.completions.create if operation == "chat" else client.completions.create
    with pytest.raises(error, match=words):
        create(model=model, **asked)


def test_azure_annotates_text_and_blocks_it(azure: openai.AzureOpenAI) -> None:
    answer = azure.completions.create(model="gpt-35-turbo-instruct", prompt="Hi").model_dump()
    assert answer["prompt_filter_results"][0]["content_filter_results"]["hate"]["filtered"] is False
    assert answer["choices"][0]["content_filter_results"]["hate"]["severity"] == "safe"
    blocked = azure.completions.create(model="gpt-35-turbo-instruct", prompt="simulate completion-filter=violence")
    assert (blocked.choices[0].text, blocked.choices[0].finish_reason) == ("", "content_filter")
    with pytest.raises(openai.BadRequestError, match="content management policy"):
        azure.completions.create(model="gpt-35-turbo-instruct", prompt="simulate prompt-filter=hate")
