"""Azure's content filter in all its shapes, as the openai SDK shows them."""

from __future__ import annotations

from typing import Any

import openai
import pytest

from tests.simulators.controls import Settings
from tests.simulators.faults import Fault, Kind
from tests.simulators.fleet import Simulators
from tests.simulators.models import FilterMode

WORDS: Any = [{"role": "user", "content": "simulate words=10"}]


def ask(client: openai.OpenAI, text: str, **more: Any) -> Any:
    return client.chat.completions.create(
        **{"model": "gpt-4o", "messages": [{"role": "user", "content": text}], **more}
    )


def dumped(stream: Any) -> list[dict[str, Any]]:
    return [chunk.model_dump(exclude_unset=True) for chunk in stream]


def test_an_answer_carries_results_for_prompt_and_completion(azure: openai.AzureOpenAI) -> None:
    answer = ask(azure, "Hello").model_dump()
    assert answer["prompt_filter_results"][0]["content_filter_results"]["jailbreak"] == {
        "detected": False,
        "filtered": False,
    }
    assert answer["choices"][0]["content_filter_results"]["violence"] == {"filtered": False, "severity": "safe"}


def test_a_stream_begins_with_a_chunk_without_choices(azure: openai.AzureOpenAI) -> None:
    first, second, *rest = dumped(ask(azure, "simulate words=3", stream=True))
    assert (first["id"], first["model"], first["choices"]) == ("", "", [])
    assert first["prompt_filter_results"][0]["prompt_index"] == 0
    assert second["choices"][0]["delta"]["role"] == "assistant"
    contents = [chunk for chunk in rest if chunk["choices"][0]["delta"].get("content")]
    assert len(contents) == 3
    assert all(chunk["choices"][0]["content_filter_results"]["hate"]["filtered"] is False for chunk in contents)


def test_the_asynchronous_filter_annotates_later_and_without_delta(azure: openai.AzureOpenAI) -> None:
    chunks = dumped(ask(azure, "simulate words=10", model="gpt-4o-async", stream=True))
    annotations = [chunk for chunk in chunks if chunk["choices"] and "delta" not in chunk["choices"][0]]
    assert [chunk["choices"][0]["content_filter_offsets"] for chunk in annotations] == [
        {"check_offset": 23, "start_offset": 0, "end_offset": 23},
        {"check_offset": 47, "start_offset": 23, "end_offset": 47},
        {"check_offset": 60, "start_offset": 47, "end_offset": 60},
    ]
    finished = [
        place for place, chunk in enumerate(chunks) if chunk["choices"] and chunk["choices"][0].get("finish_reason")
    ]
    assert chunks.index(annotations[-1]) > finished[0]
    contents = [chunk for chunk in chunks if chunk["choices"] and chunk["choices"][0].get("delta", {}).get("content")]
    assert all("content_filter_results" not in chunk["choices"][0] for chunk in contents)


def test_the_mode_can_be_set_for_all_deployments(simulators: Simulators, azure: openai.AzureOpenAI) -> None:
    simulators.controls.settings = Settings(filter_mode=FilterMode.ASYNCHRONOUS)
    chunks = dumped(ask(azure, "simulate words=4", stream=True))
    assert any("content_filter_offsets" in chunk["choices"][0] for chunk in chunks if chunk["choices"])


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize("by", ["prompt", "fault"])
def test_a_blocked_prompt_is_a_400_with_its_inner_error(
    simulators: Simulators, azure_v1: openai.OpenAI, by: str, stream: bool
) -> None:
    text = "Hello"
    if by == "prompt":
        text = "simulate prompt-filter=violence"
    else:
        simulators.controls.fail(Fault(kind=Kind.PROMPT_FILTER, category="violence"))
    with pytest.raises(openai.BadRequestError) as caught:
        ask(azure_v1, text, stream=stream)
    body: Any = caught.value.body
    assert (caught.value.code, caught.value.param, body["status"]) == ("content_filter", "prompt", 400)
    assert body["innererror"]["code"] == "ResponsibleAIPolicyViolation"
    assert body["innererror"]["content_filter_result"]["violence"] == {"filtered": True, "severity": "high"}
    assert body["innererror"]["content_filter_result"]["hate"] == {"filtered": False, "severity": "safe"}


def test_a_jailbreak_is_detected(azure: openai.AzureOpenAI) -> None:
    with pytest.raises(openai.BadRequestError) as caught:
        ask(azure, "simulate prompt-filter=jailbreak")
    body: Any = caught.value.body
    assert body["innererror"]["content_filter_result"]["jailbreak"] == {"detected": True, "filtered": True}


def test_a_blocked_completion_has_no_content(azure: openai.AzureOpenAI) -> None:
    answer = ask(azure, "simulate completion-filter=sexual").model_dump()
    choice = answer["choices"][0]
    assert (choice["finish_reason"], choice["message"]["content"]) == ("content_filter", None)
    assert choice["content_filter_results"]["sexual"]["filtered"] is True


def test_a_blocked_stream_ends_where_it_was_found(simulators: Simulators, azure: openai.AzureOpenAI) -> None:
    simulators.controls.fail(Fault(kind=Kind.COMPLETION_FILTER, category="hate"))
    chunks = dumped(ask(azure, "simulate words=10", stream=True))
    last = chunks[-1]["choices"][0]
    assert (last["finish_reason"], last["content_filter_results"]["hate"]["filtered"]) == ("content_filter", True)
    text = "".join(chunk["choices"][0]["delta"].get("content") or "" for chunk in chunks if chunk["choices"])
    assert text == "word1 word2 word3"


def test_the_asynchronous_filter_blocks_after_the_text_was_shown(azure: openai.AzureOpenAI) -> None:
    chunks = dumped(ask(azure, "simulate words=6 simulate completion-filter", model="gpt-4o-async", stream=True))
    finishes = [
        c["choices"][0]["finish_reason"] for c in chunks if c["choices"] and c["choices"][0].get("finish_reason")
    ]
    assert finishes == ["stop", "content_filter"]
    annotation = next(c for c in reversed(chunks) if c["choices"] and "delta" not in c["choices"][0])
    assert annotation["choices"][0]["content_filter_results"]["hate"]["filtered"] is True
