import pytest
from hypothesis import given
from hypothesis import strategies as st

from pilothouse_proxy.dialects.bedrock_invoke.said import Thoughts
from pilothouse_proxy.dialects.bedrock_invoke.thoughts import Splitter

OPENED = Thoughts(close="</think>")
TAGGED = Thoughts(open="<reasoning>", close="</reasoning>")


def split(tags: Thoughts, *pieces: str) -> tuple[str, str]:
    splitter = Splitter(tags)
    told = [splitter.feed(piece) for piece in pieces] + [splitter.end()]
    return "".join(thinking for thinking, _ in told), "".join(text for _, text in told)


@pytest.mark.parametrize(
    ("tags", "said", "expected"),
    [
        (OPENED, "hm</think>\n\nyes", ("hm", "yes")),
        (OPENED, "hm", ("hm", "")),
        (OPENED, "hm </thin", ("hm </thin", "")),
        (OPENED, "</think>yes</think>", ("", "yes</think>")),
        (TAGGED, "<reasoning>hm</reasoning>yes", ("hm", "yes")),
        (TAGGED, " \n<reasoning>hm</reasoning> yes", ("hm", "yes")),
        (TAGGED, "yes <reasoning>no</reasoning>", ("", "yes <reasoning>no</reasoning>")),
        (TAGGED, "<reason", ("", "<reason")),
        (TAGGED, "<reasons>", ("", "<reasons>")),
        (TAGGED, "", ("", "")),
    ],
)
def test_reasoning_and_answer(tags: Thoughts, said: str, expected: tuple[str, str]) -> None:
    assert split(tags, said) == expected


@given(
    tags=st.sampled_from([OPENED, TAGGED]),
    pieces=st.lists(
        st.sampled_from(["<reasoning>", "</reasoning>", "</think>", "</", "<", "re", "think>", " ", "\n", "a"]),
        max_size=8,
    ),
)
def test_it_is_the_same_however_the_text_is_cut(tags: Thoughts, pieces: list[str]) -> None:
    said = "".join(pieces)
    whole = split(tags, said)
    assert split(tags, *pieces) == whole
    assert split(tags, *said) == whole
    held = [tag for tag in (tags.open, tags.close) if tag]
    assert len("".join(whole)) >= len(said.replace(" ", "").replace("\n", "")) - sum(map(len, held))
