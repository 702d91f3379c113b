"""An event that fits the mould is whole, and differs from the one before in its text alone."""

import json

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from pilothouse_proxy.framing import sse
from pilothouse_proxy.framing.mould import Mould


def event(text: str, *, finish: str = "null") -> bytes:
    return b'data: {"choices":[{"delta":{"content":"%b"},"finish_reason":%b}]}\n\n' % (text.encode(), finish.encode())


def learned(raw: bytes) -> Mould:
    mould = Mould()
    mould.learn(raw)
    return mould


def fits(mould: Mould, raw: bytes) -> bool:
    return mould.fits(raw, 0, len(raw))


@pytest.mark.parametrize("text", [" there", "", "Größe", "x" * 200])
def test_another_text_fits(text: str) -> None:
    assert fits(learned(event("Ahoy")), event(text))


@pytest.mark.parametrize(
    "raw",
    [
        pytest.param(event("a", finish='"stop"'), id="another end"),
        pytest.param(event("a\\nb"), id="an escape"),
        pytest.param(event('a","x":"'), id="another member"),
        pytest.param(event("a\nb"), id="a line break"),
        pytest.param(event("a\nb" * 40), id="a line break in a long one"),
        pytest.param(event("a") + event("b"), id="two events"),
        pytest.param(event("a")[:-1], id="not whole"),
        pytest.param(b": ping\n\n", id="a comment"),
        pytest.param(b"", id="nothing"),
    ],
)
def test_nothing_else_does(raw: bytes) -> None:
    assert not fits(learned(event("Ahoy")), raw)


def test_an_event_is_known_within_other_bytes() -> None:
    framed = b"2f\r\n" + event("a") + b"\r\n"
    mould = learned(event("Ahoy"))

    assert mould.fits(framed, 4, len(framed) - 2)
    assert not mould.fits(framed, 4, len(framed) - 1)
    assert not mould.fits(framed, 3, len(framed) - 2)


def test_nothing_fits_while_an_event_is_half_there() -> None:
    mould = learned(event("Ahoy"))
    mould.open = False

    assert not fits(mould, event("a"))


def test_nothing_fits_before_a_lesson() -> None:
    assert not fits(Mould(), event("a"))


edits = st.tuples(
    st.integers(0, 70), st.integers(0, 3), st.sampled_from(["", '"', "\\", "\n", "\n\n", "data: ", "é", "}"])
)


@given(edits)
@example((0, 0, ""))
def test_what_fits_is_one_event_of_the_same_kind(edit: tuple[int, int, str]) -> None:
    at, gone, put = edit
    lesson = event("a b")
    raw = lesson[:at] + put.encode() + lesson[at + gone :]

    if fits(learned(lesson), raw):
        (only,) = sse.Decoder().feed(raw)
        said = json.loads(only.data)
        assert only.raw == raw
        said["choices"][0]["delta"]["content"] = "a b"
        assert said == json.loads(lesson[6:])
