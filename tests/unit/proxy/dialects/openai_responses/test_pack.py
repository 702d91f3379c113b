import pytest
from hypothesis import given
from hypothesis import strategies as st

from pilothouse_proxy.dialects.openai_responses import pack
from pilothouse_proxy.exchange.parts import RedactedThinking, Thinking

BLOCK = st.one_of(
    st.builds(Thinking, text=st.text(), signature=st.none() | st.text()),
    st.builds(RedactedThinking, base64=st.text()),
)


@given(st.lists(BLOCK, max_size=4))
def test_blocks_come_back_as_they_were(blocks: list[pack.Block]) -> None:
    assert pack.unpacked(pack.packed(blocks)) == blocks


@given(st.lists(BLOCK, max_size=4))
def test_equal_blocks_are_packed_alike(blocks: list[pack.Block]) -> None:
    assert pack.packed(blocks) == pack.packed(list(blocks))


@given(st.text())
def test_whatever_another_has_written_is_not_read(text: str) -> None:
    assert pack.unpacked("g" + text) is None


@pytest.mark.parametrize("rest", ["", "?", "W10", "e30=", "WzFd", "W1tdXQ==", "W1tudWxsXV0="])
def test_a_damaged_pack_is_said_to_be_one(rest: str) -> None:
    with pytest.raises(ValueError):
        pack.unpacked("pilothouse.1." + rest)
