"""Encrypted reasoning through another dialect and back."""

from hypothesis import given
from hypothesis import strategies as st

from pilothouse_proxy.dialects.openai_responses import reasoning, views
from pilothouse_proxy.exchange import sealed
from pilothouse_proxy.exchange.parts import RedactedThinking

ITEM = st.builds(
    views.Item,
    type=st.just("reasoning"),
    id=st.text(min_size=1),
    summary=st.lists(st.builds(views.Text, text=st.text(min_size=1)), max_size=3),
    encrypted_content=st.text(min_size=1),
)


@given(ITEM)
def test_an_item_comes_back_as_it_was(item: views.Item) -> None:
    hidden = reasoning.parts(item)[-1]
    assert isinstance(hidden, RedactedThinking)
    assert sealed.is_sealed(hidden)
    assert reasoning.item(hidden) == {
        "type": "reasoning",
        "id": item.id,
        "summary": [{"type": "summary_text", "text": part.text} for part in item.summary or ()],
        "encrypted_content": item.encrypted_content,
    }


@given(st.text())
def test_what_a_model_has_redacted_itself_is_none_of_it(text: str) -> None:
    assert reasoning.item(RedactedThinking(base64="c" + text)) is None or text.startswith("Gls")


def test_what_another_dialect_has_sealed_is_left_out() -> None:
    assert reasoning.item(sealed.seal({"dialect": "another", "encrypted_content": "x"})) is None
    assert reasoning.item(sealed.seal(["no item"])) is None


def test_a_damaged_seal_is_left_out() -> None:
    whole = sealed.seal({"dialect": "openai.responses", "encrypted_content": "x"})
    assert reasoning.item(RedactedThinking(base64=whole.base64[:-3])) is None
