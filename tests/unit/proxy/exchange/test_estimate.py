"""Guesses of token counts."""

import base64
import json

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pilothouse_proxy.exchange import estimate, members
from pilothouse_proxy.exchange.parts import Image, ImageFormat, Text, ToolCall, ToolResult
from pilothouse_proxy.exchange.request import Request, Role, Tool, Turn


def tokens(**body: object) -> int:
    return estimate.input_tokens(members.read(json.dumps(body, ensure_ascii=False).encode()))


def chat(*texts: str) -> dict[str, object]:
    return {"messages": [{"role": "user", "content": text} for text in texts]}


def test_english_is_about_a_quarter_of_a_token_a_byte() -> None:
    text = "The quick brown fox jumps over the lazy dog. " * 100
    assert tokens(**chat(text)) == pytest.approx(0.27 * len(text), rel=0.02)


def test_dense_scripts_count_more_by_the_byte() -> None:
    text = "敏捷的棕色狐狸跳过了懒狗。" * 100
    assert tokens(**chat(text)) == pytest.approx(0.5 * len(text.encode()), rel=0.02)


def test_accents_do_not_make_a_text_dense() -> None:
    text = "Zwölf Boxkämpfer jagen Viktor quer über den großen Sylter Deich. " * 100
    assert tokens(**chat(text)) == pytest.approx(0.27 * len(text.encode()), rel=0.12)


@pytest.mark.parametrize("size", [1_000, 1_000_000])
def test_an_image_counts_as_one_however_many_bytes_it_has(size: int) -> None:
    url = "data:image/png;base64," + base64.b64encode(bytes(size)).decode()
    image = {"role": "user", "content": [{"type": "image_url", "image_url": {"url": url}}]}
    assert 1_600 <= tokens(messages=[image]) < 1_700


@pytest.mark.parametrize("size", [1_000, 1_000_000])
def test_so_does_an_image_that_is_to_be_embedded(size: int) -> None:
    url = "data:image/png;base64," + base64.b64encode(bytes(size)).decode()
    assert 1_600 <= tokens(input=["a text", {"image": url}]) < 1_700


def test_tools_count() -> None:
    tool = {"type": "function", "function": {"name": "f", "description": "x" * 1_000}}
    assert tokens(**chat("Hello"), tools=[tool]) - tokens(**chat("Hello")) == pytest.approx(400, rel=0.1)


@pytest.mark.parametrize("value", [[1, 2, 3, 4], [[1, 2], [3, 4]], [[1], [2, 3, 4]]])
def test_token_ids_are_counted_one_by_one(value: object) -> None:
    assert tokens(input=value) == 4 + estimate.PER_REQUEST


@given(st.text(), st.text())
def test_more_text_never_counts_less(first: str, second: str) -> None:
    assert tokens(**chat(first, second)) >= tokens(**chat(first))


def test_output_is_counted_by_its_bytes() -> None:
    assert estimate.output_tokens(1_000) == 270


def test_a_neutral_request_is_measured_by_its_text_and_its_pieces() -> None:
    image = Image(format=ImageFormat.PNG, base64="A" * 10_000)
    spoken = (
        Turn(role=Role.USER, parts=(Text(text="x" * 100), image), at=0),
        Turn(role=Role.ASSISTANT, parts=(ToolCall(id="1", name="look", arguments='{"a":1}'),), at=1),
        Turn(role=Role.TOOL, parts=(ToolResult(call_id="1", content=(Text(text="y" * 100),)),), at=2),
    )
    tokens = 3 + 3 * 4 + 200 * estimate.LATIN + estimate.PER_IMAGE + len('look{"a":1}') * estimate.CODE
    assert estimate.of_turns(Request(turns=spoken)) == round(tokens)
    tools = (Tool(name="look", schema=msgspec.Raw(b'{"type":"object"}')),)
    tokens += len('look{"type":"object"}') * estimate.CODE
    assert estimate.of_turns(Request(turns=spoken, tools=tools)) == round(tokens)
