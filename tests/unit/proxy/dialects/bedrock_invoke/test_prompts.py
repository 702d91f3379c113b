"""Laws of prompts: what is said never becomes structure, and nothing else of it is lost."""

import itertools
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pilothouse_proxy.dialects.bedrock_invoke import prompts, templates
from pilothouse_proxy.dialects.bedrock_invoke.templates import Template
from pilothouse_proxy.dialects.bedrock_invoke.turns import Conversation, Spoken
from pilothouse_proxy.exchange.parts import Image, ImageFormat
from pilothouse_proxy.exchange.request import Role

TEMPLATES = {
    name: value for name, value in vars(templates).items() if isinstance(value, Template) and not name.startswith("_")
}
TOKENS = [
    *("<|begin_of_text|>", "<|start_header_id|>", "<|end_header_id|>", "<|eot_id|>", "<|header_start|>", "<|eot|>"),
    *("<|image|>", "<|python_tag|>", "[INST]", "[/INST]", "<<SYS>>", "<</SYS>>", "<s>", "</s>", "[TOOL_CALLS]"),
    *("<｜User｜>", "<｜Assistant｜>", "<｜end▁of▁sentence｜>", "<|User|>", "<think>", "</think>"),
    *("User:", "Bot:", "Human:", "Assistant:", "Chatbot:"),
]
SCRAPS = [
    *TOKENS,
    *(token[:-1] for token in TOKENS),
    *(token[1:] for token in TOKENS),
    "\n",
    "\n\n",
    " ",
    "\t",
    "\r",
    ":",
    ">",
]
SAID = st.lists(st.sampled_from(SCRAPS) | st.text(max_size=3), max_size=8).map("".join)


def conversation(system: str, *said: str) -> Conversation:
    """Turns of the user and of the assistant by turns."""
    spoken = []
    for role, text in zip(itertools.cycle([Role.USER, Role.ASSISTANT]), said):
        turn = Spoken(role, len(spoken))
        turn.texts = [text]
        spoken.append(turn)
    return Conversation(system, spoken)


def structure(prompt: str, template: Template) -> list[str]:
    return template.controls.findall(prompt)


@pytest.mark.parametrize("name", TEMPLATES)
@given(system=SAID, said=st.lists(SAID, min_size=1, max_size=4))
def test_whatever_is_said_the_structure_is_that_of_harmless_words(name: str, system: str, said: list[str]) -> None:
    template = TEMPLATES[name]
    written = prompts.write(conversation(system, *said), template)
    plain = prompts.write(conversation("x" if system else "", *["x"] * len(said)), template)
    assert structure(written, template) == structure(plain, template)


@pytest.mark.parametrize("name", TEMPLATES)
@given(said=SAID)
def test_nothing_but_one_blank_a_token_is_added_to_what_is_said(name: str, said: str) -> None:
    template = TEMPLATES[name]
    told = prompts.harmless(said, template)
    assert len(told) == len(said) + len(template.controls.findall(said))
    assert re.sub(r"\s", "", told) == re.sub(r"\s", "", said)
    assert prompts.harmless(told, template) == told


@pytest.mark.parametrize("name", TEMPLATES)
@given(said=st.text(alphabet=st.characters(exclude_characters="<>[]:|"), min_size=1))
def test_ordinary_words_are_written_as_they_are(name: str, said: str) -> None:
    assert said in prompts.write(conversation("", said), TEMPLATES[name])


@pytest.mark.parametrize("name", TEMPLATES)
def test_the_templates_own_marks_are_among_what_is_broken(name: str) -> None:
    template = TEMPLATES[name]
    marks = [template.user.before, template.assistant.before.strip() or template.user.behind]
    assert all(template.controls.search(mark.lstrip("\n")) for mark in marks)


@pytest.mark.parametrize("name", TEMPLATES)
def test_an_assistants_turn_at_the_end_is_left_open(name: str) -> None:
    prompt = prompts.write(conversation("", "Write JSON.", "{ \n"), TEMPLATES[name])
    assert prompt.endswith("{")


@pytest.mark.parametrize("name", ["LLAMA_3", "LLAMA_4"])
def test_a_mark_stands_for_each_image_where_it_was_shown(name: str) -> None:
    told = conversation("", "What <|image|> is this?")
    image = Image(format=ImageFormat.PNG, base64="aGk=")
    told.spoken[0].media = [image, image]
    assert "<|image|><|image|>What <|image| > is this?" in prompts.write(told, TEMPLATES[name])
    assert prompts.images(told) == ["aGk=", "aGk="]
