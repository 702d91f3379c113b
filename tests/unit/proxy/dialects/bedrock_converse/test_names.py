"""Names and ids that Converse takes."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pilothouse_proxy.dialects.bedrock_converse import names
from pilothouse_proxy.exchange.request import Request, Tool


@given(st.text())
def test_every_name_becomes_one_that_fits(name: str) -> None:
    assert re.fullmatch(r"[a-zA-Z0-9_-]{1,64}", names.tool_name(name))


@given(st.text())
def test_every_id_becomes_one_that_fits(call: str) -> None:
    assert re.fullmatch(r"[a-zA-Z0-9_.:-]{1,64}", names.call_id(call))


@given(st.from_regex(r"[a-zA-Z0-9_-]{1,64}", fullmatch=True))
def test_a_name_that_fits_is_left_alone(name: str) -> None:
    assert names.tool_name(name) == name
    assert names.call_id(name) == name


@given(st.lists(st.text(), unique=True))
def test_every_stand_in_is_turned_back(given_names: list[str]) -> None:
    originals = names.originals(Request(turns=(), tools=tuple(Tool(name=name) for name in given_names)))
    assert [originals.get(names.tool_name(name), names.tool_name(name)) for name in given_names] == given_names


@pytest.mark.parametrize("tail", ["a", "b"])
def test_long_names_that_begin_alike_stay_apart(tail: str) -> None:
    assert names.tool_name("x" * 80 + tail) != names.tool_name("x" * 80 + "c")


def test_a_line_end_does_not_slip_through() -> None:
    assert names.tool_name("name\n") != "name\n"
