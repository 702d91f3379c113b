"""A piece that fits the mould says what decoding it would have said."""

import json

import msgspec
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from pilothouse_proxy.dialects.bedrock_converse import wire
from pilothouse_proxy.dialects.bedrock_converse.mould import Mould

decoder = msgspec.json.Decoder(wire.ContentBlockDelta)

PADDED = '{"contentBlockIndex":0,"delta":{"text":"%s"},"p":"%s"}'
BARE = '{"contentBlockIndex":0,"delta":{"text":"%s"}}'
TURNED = '{"delta": {"text":"%s"}, "contentBlockIndex": 0}'


def learned(payload: str) -> Mould:
    mould = Mould()
    text = decoder.decode(payload).delta.text
    assert text is not None
    mould.learn(payload.encode(), text)
    return mould


@pytest.mark.parametrize(
    ("lesson", "piece"),
    [
        pytest.param(PADDED % ("Ahoy", "abc"), PADDED % (" there", "abcdefghij"), id="another padding"),
        pytest.param(PADDED % ("Ahoy", "abc"), PADDED % (" there", ""), id="no padding"),
        pytest.param(BARE % "Ahoy", BARE % " there", id="never padded"),
        pytest.param(TURNED % "Ahoy", TURNED % " there", id="members in another order"),
    ],
)
def test_a_piece_like_the_one_before_is_known(lesson: str, piece: str) -> None:
    assert learned(lesson).text(piece.encode()) == " there"


@pytest.mark.parametrize("text", ["Größe", "日本語", "\x7f", "🚢"])
def test_text_of_any_script_is_read(text: str) -> None:
    assert learned(PADDED % ("a", "b")).text((PADDED % (text, "c")).encode()) == text


@pytest.mark.parametrize(
    "piece",
    [
        pytest.param(PADDED % ("", "abc"), id="empty"),
        pytest.param(PADDED % ("a\\nb", "abc"), id="an escape"),
        pytest.param(PADDED % ("a\nb", "abc"), id="a line break, which is no JSON"),
        pytest.param(PADDED % ("a" * 100, "abc"), id="long"),
        pytest.param(PADDED % ("a", "abc") + " ", id="a blank behind it"),
        pytest.param(PADDED % ("a", 'b","delta":{"text":"c"},"q":"d'), id="another member"),
        pytest.param('{"contentBlockIndex":1,"delta":{"text":"a"},"p":"b"}', id="another block"),
        pytest.param('{"contentBlockIndex":0,"delta":{"reasoningContent":{"text":"a"}},"p":"b"}', id="a thought"),
        pytest.param((PADDED % ("a", "b"))[:-1], id="cut off"),
        pytest.param("", id="nothing"),
    ],
)
def test_anything_else_is_left_to_the_decoder(piece: str) -> None:
    assert learned(PADDED % ("Ahoy", "abc")).text(piece.encode()) == ""


def test_nothing_fits_before_a_lesson() -> None:
    assert Mould().text((BARE % "a").encode()) == ""


def test_no_lesson_is_taken_from_a_text_that_stands_elsewhere() -> None:
    payload = r'{"contentBlockIndex":0,"delta":{"te\u0078t":"a"},"x":{"text":"b"}}'

    assert learned(payload).text(payload.encode()) == ""


def test_text_that_is_not_utf8_is_refused_as_by_the_decoder() -> None:
    broken = (BARE % "a").encode().replace(b'"a"', b'"\xff"')

    with pytest.raises(ValueError, match="utf-8"):
        learned(BARE % "Ahoy").text(broken)
    with pytest.raises(ValueError, match="utf-8"):
        decoder.decode(broken)


edits = st.tuples(
    st.integers(0, 60),
    st.integers(0, 4),
    st.sampled_from(['"', "\\", "}", "{", ",", "a", "é", '"p":"', '"text":"', "\x1f"]),
)


@given(st.sampled_from([PADDED % ("a b", "cd"), BARE % "a b", TURNED % "a b"]), edits)
@example(PADDED % ("a b", "cd"), (0, 0, ""))
def test_what_fits_is_what_would_be_decoded(lesson: str, edit: tuple[int, int, str]) -> None:
    at, gone, put = edit
    piece = (lesson[:at] + put + lesson[at + gone :]).encode()

    text = learned(lesson).text(piece)

    if text:
        assert decoder.decode(piece).delta.text == text
        assert json.loads(piece)["contentBlockIndex"] == 0
