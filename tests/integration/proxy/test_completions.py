"""Legacy completions of the unmodified SDK through a proxy: passed on to models that serve them, else as one turn."""

from collections.abc import Iterator
from typing import Any

import openai
import pytest

from tests.integration.proxy.clouds import configuration
from tests.integration.proxy.configurations import KEY
from tests.integration.proxy.control import ControlServer
from tests.integration.proxy.process import Process, process
from tests.simulators.fleet import Simulators

PASSED = {"instruct": "azure", "gpt-3.5-turbo-instruct": "openai"}
"""Models of the API itself, and who answers."""
TRANSLATED = {"gpt": "azure", "gpt-dated": "azure", "gpt-old": "azure", "gpt-4o-mini": "openai", "nova": "bedrock"}
ALL = {**PASSED, **TRANSLATED}


@pytest.fixture(scope="module")
def proxy(simulators_thread: Simulators) -> Iterator[Process]:
    with ControlServer(configuration(simulators_thread)) as control, process(*control.flags) as running:
        running.event("configuration applied")
        yield running


@pytest.fixture(scope="module")
def shared_client(proxy: Process) -> Iterator[openai.OpenAI]:
    with openai.OpenAI(base_url=f"http://127.0.0.1:{proxy.port}/v1", api_key=KEY, max_retries=0) as client:
        yield client


@pytest.fixture
def client(simulators: Simulators, shared_client: openai.OpenAI) -> openai.OpenAI:
    return shared_client


@pytest.mark.parametrize(("model", "who"), ALL.items())
def test_a_prompt_is_continued(client: openai.OpenAI, model: str, who: str) -> None:
    answer = client.completions.create(model=model, prompt="Once upon a time", max_tokens=60, stop=["###"])
    (choice,) = answer.choices
    assert answer.object == "text_completion"
    assert choice.text.startswith("You said: Once upon a time")
    assert f"({who}: " in choice.text
    assert choice.finish_reason == "stop"
    assert answer.usage is not None
    assert answer.usage.total_tokens == answer.usage.prompt_tokens + answer.usage.completion_tokens > 0


@pytest.mark.parametrize("model", ALL)
def test_a_stream_says_the_same_as_the_whole_answer(client: openai.OpenAI, model: str) -> None:
    asked: Any = {"model": model, "prompt": "simulate words=7", "max_tokens": 60}
    whole = client.completions.create(**asked)
    options = {} if model == "gpt-old" else {"stream_options": {"include_usage": True}}
    chunks = list(client.completions.create(**asked, **options, stream=True))
    assert "".join(choice.text for chunk in chunks for choice in chunk.choices) == whole.choices[0].text
    reasons = [choice.finish_reason for chunk in chunks for choice in chunk.choices if choice.finish_reason]
    assert reasons == ["stop"]
    if options:
        assert chunks[-1].usage is not None
        assert chunks[-1].usage.total_tokens > 0


@pytest.mark.parametrize("model", TRANSLATED)
def test_the_limit_of_the_api_holds_for_chat_models_too(client: openai.OpenAI, model: str) -> None:
    answer = client.completions.create(model=model, prompt="simulate words=40")
    assert answer.choices[0].finish_reason == "length"
    assert answer.usage is not None
    assert answer.usage.completion_tokens == 16


def test_a_reasoning_model_gets_the_limit_under_the_name_that_it_knows(client: openai.OpenAI) -> None:
    answer = client.completions.create(model="o4", prompt="simulate words=3", max_tokens=100)
    assert answer.choices[0].text == "word1 word2 word3"


WISHES: list[tuple[dict[str, Any], str]] = [
    ({"n": 2}, "n"),
    ({"best_of": 2}, "best_of"),
    ({"echo": True}, "echo"),
    ({"suffix": "."}, "suffix"),
    ({"logprobs": 1}, "logprobs"),
    ({"prompt": ["One", "Two"]}, "prompt"),
    ({"prompt": [1, 2]}, "prompt"),
]


@pytest.mark.parametrize(("wish", "param"), WISHES)
@pytest.mark.parametrize("model", ["gpt", "nova"])
def test_what_chat_models_cannot_do_is_refused_by_name(
    client: openai.OpenAI, model: str, wish: dict[str, Any], param: str
) -> None:
    with pytest.raises(openai.BadRequestError) as refusal:
        client.completions.create(**{"model": model, "prompt": "Hi", **wish})
    assert refusal.value.param == param
    assert refusal.value.code == "unsupported_parameter"


def test_models_of_the_api_itself_can_do_it(client: openai.OpenAI) -> None:
    answer = client.completions.create(
        model="gpt-3.5-turbo-instruct", prompt=["One", "Two"], n=2, best_of=2, echo=True, max_tokens=50
    )
    assert [choice.text[:3] for choice in answer.choices] == ["One", "One", "Two", "Two"]


def test_azures_filter_results_arrive_with_passed_and_with_translated_answers(client: openai.OpenAI) -> None:
    for model in ("instruct", "gpt"):
        answer = client.completions.create(model=model, prompt="Hi", max_tokens=50).model_dump()
        assert answer["prompt_filter_results"][0]["content_filter_results"]["violence"]["filtered"] is False, model
        assert answer["choices"][0]["content_filter_results"]["violence"]["severity"] == "safe", model


def test_a_prompt_that_is_blocked_is_told_with_the_reason(client: openai.OpenAI) -> None:
    for model in ("instruct", "gpt"):
        with pytest.raises(openai.BadRequestError) as refusal:
            client.completions.create(model=model, prompt="simulate prompt-filter=violence", max_tokens=50)
        assert refusal.value.code == "content_filter"
        body: Any = refusal.value.body
        assert body["innererror"]["content_filter_result"]["violence"]["filtered"] is True
