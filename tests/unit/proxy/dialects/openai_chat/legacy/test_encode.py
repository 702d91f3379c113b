"""Replies of the exchange to text completions."""

import json

from hypothesis import given

from pilothouse_proxy.dialects.openai_chat.legacy.client import Client
from pilothouse_proxy.exchange import telling
from pilothouse_proxy.exchange.parts import Text
from pilothouse_proxy.exchange.reply import Reply
from pilothouse_proxy.framing import sse
from tests.unit.proxy.dialects.openai_chat.calls import call
from tests.unit.proxy.dialects.openai_chat.test_reply import REPLIES


@given(REPLIES)
def test_a_stream_put_together_equals_the_answer_at_once(reply: Reply) -> None:
    client = Client()
    whole = json.loads(client.encode_reply(call(), reply))
    encoder = client.event_encoder(call())
    sent = b"".join(encoder.encode(event) for event in telling.events_of(reply))
    *chunks, done = [event.data for event in sse.Decoder().feed(sent)]
    told = [json.loads(chunk)["choices"][0] for chunk in chunks]
    assert done == b"[DONE]"
    assert "".join(choice["text"] for choice in told) == whole["choices"][0]["text"]
    assert whole["choices"][0]["text"] == "".join(part.text for part in reply.parts if isinstance(part, Text))
    assert told[-1]["finish_reason"] == whole["choices"][0]["finish_reason"]
