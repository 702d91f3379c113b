"""What the models say, as a function; and the service model that requests are checked against."""

from __future__ import annotations

import re
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.simulators import answers, speech
from tests.simulators.bedrock import shapes
from tests.simulators.speech import Choice, Ended, Prompt

ANYTHING = st.text(max_size=200)


def prompt(text: str, **more: Any) -> Prompt:
    return Prompt(**{"provider": "p", "model": "m", "text": text, "turns": 1, "max_tokens": 1000, **more})


@given(ANYTHING)
def test_an_echo_repeats_what_was_said(text: str) -> None:
    said = speech.speak(prompt(text)).text
    assert said == f"You said: {text} (p: model=m turns=1)" or "simulate" in text


@given(ANYTHING, st.integers(1, 50))
def test_no_more_tokens_than_allowed(text: str, limit: int) -> None:
    spoken = speech.speak(prompt(text, max_tokens=limit))
    assert spoken.output_tokens <= limit
    assert (spoken.ended is Ended.LENGTH) == (spoken.text != speech.speak(prompt(text)).text)


@given(ANYTHING, st.text(min_size=1, max_size=3))
def test_a_stop_sequence_is_never_said(text: str, stop: str) -> None:
    spoken = speech.speak(prompt(text, stops=(stop,)))
    assert stop not in spoken.text
    assert (spoken.ended is Ended.STOP_SEQUENCE) == (spoken.stop_sequence == stop)


def test_a_long_text_is_echoed_in_part() -> None:
    assert len(speech.speak(prompt("x" * 100_000)).text) < 500


def test_only_offered_tools_are_called() -> None:
    assert speech.speak(prompt("call nothing", tools={"clock": {}})).calls == ()
    assert speech.speak(prompt("call clock", tools={"clock": {}}, choice=Choice.NONE)).calls == ()


def test_a_result_is_not_called_again() -> None:
    spoken = speech.speak(prompt("call clock", tools={"clock": {}}, results=("noon",)))
    assert (spoken.calls, spoken.ended) == ((), Ended.END)


def test_arguments_end_where_their_json_ends() -> None:
    text = 'call a {"x": {"y": "}"}} and call b {"z": 1}.'
    spoken = speech.speak(prompt(text, tools={"a": {}, "b": {}}))
    assert spoken.calls == (("a", {"x": {"y": "}"}}), ("b", {"z": 1}))


@pytest.mark.parametrize(
    ("schema", "value"),
    [
        ({"type": "string"}, "value"),
        ({"type": "string", "minLength": 8}, "valuexxx"),
        ({"type": "integer", "minimum": 5}, 5),
        ({"type": "number"}, 1.5),
        ({"type": "boolean"}, True),
        ({"type": ["null", "string"]}, None),
        ({"type": "array", "items": {"type": "integer"}, "minItems": 2}, [1, 1]),
        ({"enum": ["b", "a"]}, "b"),
        ({"const": 3}, 3),
        ({"anyOf": [{"type": "integer"}, {"type": "string"}]}, 1),
        (
            {
                "$defs": {"n": {"type": "integer"}},
                "type": "object",
                "properties": {"a": {"$ref": "#/$defs/n"}},
                "required": ["a"],
            },
            {"a": 1},
        ),
        ({"type": "object", "properties": {"a": {"type": "string"}, "b": {}}, "required": ["a"]}, {"a": "value"}),
    ],
)
def test_a_sample_is_the_simplest_value_that_fits(schema: Any, value: Any) -> None:
    assert speech.sample(schema) == value


def test_a_schema_that_refers_to_itself_ends() -> None:
    tree = {"type": "object", "properties": {"next": {"$ref": "#"}}, "required": ["next"]}
    assert isinstance(speech.sample(tree), dict)


def test_every_pattern_of_the_service_model_can_be_checked() -> None:
    for name, shape in shapes.service_model()["shapes"].items():
        if "pattern" in shape:
            assert re.compile(shape["pattern"]), name


def test_an_answer_prepared_once_is_numbered_anew_each_time() -> None:
    prepared = answers.whole(200, [("x-request-id", answers.REQUEST_ID)], b'{"id":"' + answers.SLOT.encode() + b'"}')
    first, second = prepared.wire(), prepared.wire()
    assert first != second
    assert len(first) == len(second)
    assert answers.SLOT.encode() not in first
