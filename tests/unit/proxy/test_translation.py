"""Which dialects meet, and what a call keeps between its attempts."""

import json
import subprocess
import sys
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pilothouse_api.names import UpstreamModel
from pilothouse_api.snapshot.providers import Model
from pilothouse_proxy import translation
from pilothouse_proxy.call import Call
from pilothouse_proxy.dialects.anthropic_messages.client import CountClient
from pilothouse_proxy.dialects.anthropic_messages.words import own
from pilothouse_proxy.errors import GatewayError, Kind, UpstreamBroken
from pilothouse_proxy.exchange.counting import CountReply
from pilothouse_proxy.exchange.request import Request
from pilothouse_proxy.exchange.usage import Usage
from pilothouse_proxy.operations import DialectName, Operation
from pilothouse_proxy.ports import Parted
from pilothouse_proxy.runtime import CLIENT_DIALECTS
from tests.unit.proxy.dialects.anthropic_messages.calls import call as messages_call

D = DialectName
BODY = json.dumps({"model": "chat", "messages": [{"role": "user", "content": "Hello"}]}).encode()


def call(upstream: str) -> Call:
    return Call(
        operation=Operation.CHAT,
        request_id="r",
        created=0,
        peek=translation.peek(D.OPENAI_CHAT)(BODY),
        body=BODY,
        model=Model(upstream=UpstreamModel(upstream)),
        dialect=D.BEDROCK_CONVERSE,
        streams=False,
    )


def test_dialects_that_cannot_meet_have_no_translation() -> None:
    assert translation.between(D.OPENAI_EMBEDDINGS, D.BEDROCK_CONVERSE) is None
    assert translation.between(D.BEDROCK_CONVERSE, D.BEDROCK_CONVERSE) is None


def test_embeddings_and_rankings_meet_in_exchanges_of_their_own() -> None:
    embeds = translation.between(D.OPENAI_EMBEDDINGS, D.BEDROCK_TITAN_EMBED)
    assert isinstance(embeds, Parted)
    assert translation.between(D.OPENAI_EMBEDDINGS, D.BEDROCK_RERANK) is None
    assert translation.between(D.RERANK, D.BEDROCK_RERANK) is not None
    assert translation.between(D.OPENAI_CHAT, D.BEDROCK_TITAN_EMBED) is None
    assert translation.between(D.RERANK, D.BEDROCK_CONVERSE) is None


def test_only_who_asks_in_parts_is_parted() -> None:
    for client, upstream in ((D.OPENAI_CHAT, D.BEDROCK_CONVERSE), (D.OPENAI_EMBEDDINGS, D.OPENAI_EMBEDDINGS)):
        assert not isinstance(translation.between(client, upstream), Parted)


def embeddings_call(texts: list[str]) -> Call:
    body = json.dumps({"model": "embed", "input": texts}).encode()
    return Call(
        operation=Operation.EMBEDDINGS,
        request_id="r",
        created=0,
        peek=translation.peek(D.OPENAI_EMBEDDINGS)(body),
        body=body,
        model=Model(upstream=UpstreamModel("amazon.titan-embed-text-v2:0")),
        dialect=D.BEDROCK_TITAN_EMBED,
        streams=False,
    )


@given(st.lists(st.text(min_size=1, max_size=8), min_size=1, max_size=60))
def test_texts_are_asked_for_one_by_one_and_joined_in_order(texts: list[str]) -> None:
    subject = translation.between(D.OPENAI_EMBEDDINGS, D.BEDROCK_TITAN_EMBED)
    assert isinstance(subject, Parted)
    asked = embeddings_call(texts)
    bodies = [subject.request(asked), *asked.further]
    assert [json.loads(body)["inputText"] for body in bodies] == texts
    answers = [json.dumps({"embedding": [at], "inputTextTokenCount": at}).encode() for at in range(len(texts))]
    answer = subject.joined(asked, [subject.part(asked, at, [], body) for at, body in enumerate(answers)])
    assert [row["embedding"] for row in json.loads(answer.body)["data"]] == [[at] for at in range(len(texts))]
    assert answer.usage is not None
    assert answer.usage.input_tokens == sum(range(len(texts)))


def test_vectors_that_are_too_few_are_broken() -> None:
    subject = translation.between(D.OPENAI_EMBEDDINGS, D.BEDROCK_COHERE_EMBED)
    assert isinstance(subject, Parted)
    asked = embeddings_call(["one", "two"])
    asked.model = Model(upstream=UpstreamModel("cohere.embed-v4:0"))
    with pytest.raises(UpstreamBroken, match="1 vectors where 2 were asked for"):
        subject.part(asked, 0, [], b'{"embeddings": [[1]]}')


def test_where_one_part_does_not_tell_its_tokens_all_are_estimated() -> None:
    subject = translation.between(D.OPENAI_EMBEDDINGS, D.BEDROCK_TITAN_EMBED)
    assert isinstance(subject, Parted)
    asked = embeddings_call(["one", "two"])
    bodies = [b'{"embedding": [1], "inputTextTokenCount": 1000}', b'{"embedding": [2]}']
    usage = subject.joined(asked, [subject.part(asked, at, [], body) for at, body in enumerate(bodies)]).usage
    assert usage is not None
    assert usage.estimated and usage.input_tokens < 1_000


def test_one_translation_serves_all_requests() -> None:
    assert translation.between(D.OPENAI_CHAT, D.BEDROCK_CONVERSE) is translation.between(
        D.OPENAI_CHAT, D.BEDROCK_CONVERSE
    )


def test_a_request_is_decoded_once_for_all_its_attempts() -> None:
    subject = translation.between(D.OPENAI_CHAT, D.BEDROCK_CONVERSE)
    assert subject is not None
    asked = call("amazon.nova-pro-v1:0")
    subject.request(asked)
    decoded = asked.decoded
    asked.model = Model(upstream=UpstreamModel("anthropic.claude-opus-4-7"), max_output_tokens=99)
    assert json.loads(subject.request(asked))["inferenceConfig"] == {"maxTokens": 99}
    assert asked.decoded is decoded


def test_a_fallback_to_the_same_dialect_sends_the_clients_own_body() -> None:
    hub, same = (
        translation.between(D.OPENAI_CHAT, D.BEDROCK_CONVERSE),
        translation.between(D.OPENAI_CHAT, D.OPENAI_CHAT),
    )
    assert hub is not None
    assert same is not None
    asked = call("amazon.nova-pro-v1:0")
    hub.request(asked)
    asked.model = Model(upstream=UpstreamModel("gpt-4o"))
    assert json.loads(same.request(asked)) == {**json.loads(BODY), "model": "gpt-4o"}


def test_an_answer_can_be_read_though_the_request_was_never_decoded() -> None:
    subject = translation.between(D.OPENAI_CHAT, D.BEDROCK_CONVERSE)
    assert subject is not None
    answer = {
        "output": {"message": {"role": "assistant", "content": [{"text": "Hi."}]}},
        "stopReason": "end_turn",
        "usage": {"inputTokens": 1, "outputTokens": 2, "totalTokens": 3},
    }
    reply = subject.reply(call("amazon.nova-pro-v1:0"), [], json.dumps(answer).encode())
    assert json.loads(reply.body)["choices"][0]["message"]["content"] == "Hi."


def test_a_proxy_without_bedrock_never_loads_its_dialect() -> None:
    program = (
        "import sys; from pilothouse_proxy import translation; from pilothouse_proxy.ports import DialectName as D;"
        "translation.between(D.OPENAI_CHAT, D.OPENAI_CHAT);"
        "translation.between(D.OPENAI_EMBEDDINGS, D.OPENAI_EMBEDDINGS);"
        "print([name for name in sys.modules if 'bedrock' in name and 'dialects' in name])"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True, timeout=60)
    assert done.stdout == "[]\n"


class Counter:
    """A provider that counts turns."""

    def encode_request(self, request: Request, model: Model) -> bytes:
        if request.tools:
            raise GatewayError(Kind.UNSUPPORTED, "no `tools[0].function.name`", param="tools[0].function.name")
        return json.dumps({"turns": len(request.turns), "model": model.upstream}).encode()

    def decode_count(self, request: Request, model: Model, body: bytes) -> CountReply:
        return CountReply(input_tokens=len(request.turns) * json.loads(body)["each"])


HUB = translation.CountHub(client=CountClient(), provider=Counter(), words=own)


def test_a_count_goes_there_and_back_and_costs_nothing() -> None:
    asked = messages_call({"system": "Be brief."})
    assert json.loads(HUB.request(asked)) == {"turns": 2, "model": "up"}
    answer = HUB.reply(asked, [], b'{"each": 21}')
    assert json.loads(answer.body) == {"input_tokens": 42}
    assert answer.usage == Usage()


def test_what_cannot_be_counted_is_named_in_the_client_s_words() -> None:
    tool: Any = {"name": "x", "input_schema": {"type": "object"}}
    with pytest.raises(GatewayError) as raised:
        HUB.request(messages_call({"tools": [tool]}))
    assert (raised.value.message, raised.value.param) == ("no `tools[0].name`", "tools[0].name")


def test_no_count_is_a_stream() -> None:
    with pytest.raises(UpstreamBroken):
        HUB.relay(messages_call(), [])


@pytest.mark.parametrize("operation", Operation)
def test_every_dialect_of_clients_has_a_peek(operation: Operation) -> None:
    assert callable(translation.peek(CLIENT_DIALECTS[operation]))


def test_only_some_dialects_of_clients_speak_in_headers() -> None:
    assert translation.headers(DialectName.OPENAI_CHAT) is None
    read = translation.headers(DialectName.ANTHROPIC_MESSAGES)
    assert read is not None
    assert read([(b"anthropic-version", b"2023-06-01")]) == {b"anthropic-version": b"2023-06-01"}
