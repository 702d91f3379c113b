"""What clients of OpenAI's Responses get, and what providers of them are sent, held to the SDK's types."""

from pilothouse_proxy.operations import DialectName
import json
from typing import Any

import pytest
from openai.lib.streaming.responses._responses import ResponseStreamState
from openai.types.responses.response_create_params import ResponseCreateParamsBase
from openai import omit
from pydantic import TypeAdapter

from pilothouse_proxy import translation
from pilothouse_proxy.errors import GatewayError, UpstreamBroken
from tests import responses_types
from tests.golden import cases, converse_model
from tests.golden.streams_of import relay_of, stream_of

RESPONSES, CHAT, CONVERSE = DialectName.OPENAI_RESPONSES, DialectName.OPENAI_CHAT, DialectName.BEDROCK_CONVERSE
STRANGE = {
    "arguments-all-at-once",
    "broken-not-an-object",
    "broken-not-json",
    "comments-and-crlf",
    "error-of-a-gateway",
    "legible-reasoning",
    "nothing-after-the-end",
    "types-alone",
    "unknown-items",
}
"""Streams that are not as OpenAI sends them, on purpose."""
PARAMS: TypeAdapter[Any] = TypeAdapter(ResponseCreateParamsBase)


def translated(client: DialectName, upstream: DialectName, case: str) -> dict[str, Any] | None:
    """What the provider is sent; None: it is refused."""
    document = cases.load("requests", client, case)
    met = translation.between(client, upstream)
    assert met is not None
    try:
        return json.loads(met.request(cases.call(client, upstream, document, cases.body_of(document))))
    except GatewayError:
        return None


@pytest.mark.parametrize("case", cases.inputs("requests", CHAT))
def test_what_a_provider_is_sent_holds_to_the_sdks_parameters(case: str) -> None:
    body = translated(CHAT, RESPONSES, case)
    if body is None:
        return
    assert body.pop("store") is False
    known = set(ResponseCreateParamsBase.__annotations__) | {"stream"}
    assert set(body) <= known
    items = PARAMS.validate_python({"input": body["input"]})["input"]
    assert len(list(items)) == len(body["input"])


@pytest.mark.parametrize("case", cases.inputs("requests", RESPONSES))
def test_what_converse_is_sent_holds_to_the_service_model(case: str) -> None:
    body = translated(RESPONSES, CONVERSE, case)
    if body is not None:
        model_id = cases.load("requests", RESPONSES, case)["upstream"]
        assert converse_model.problems_of_request(body, model_id) == ""


@pytest.mark.parametrize("case", cases.inputs("requests", RESPONSES))
def test_pass_through_keeps_every_member_but_the_models_name(case: str) -> None:
    body = translated(RESPONSES, RESPONSES, case)
    if body is not None:
        document = cases.load("requests", RESPONSES, case)
        assert body.pop("model") == document["upstream"]
        assert body == {name: value for name, value in document["body"].items() if name != "model"}


@pytest.mark.parametrize("case", cases.inputs("requests", RESPONSES))
def test_a_refusal_names_a_parameter_of_the_clients(case: str) -> None:
    document = cases.load("requests", RESPONSES, case)
    met = translation.between(RESPONSES, CONVERSE)
    assert met is not None
    try:
        met.request(cases.call(RESPONSES, CONVERSE, document, cases.body_of(document)))
    except GatewayError as error:
        if error.param is not None:
            assert error.param.partition("[")[0].partition(".")[0] in {*document.get("body", {}), "input"}
            assert error.param in error.message or "`" not in error.message or error.param.startswith(("input", "tool"))


def answered(case: str) -> bytes:
    document = cases.load("responses", CONVERSE, case)
    met = translation.between(RESPONSES, CONVERSE)
    assert met is not None
    body = document["raw"].encode() if "raw" in document else json.dumps(document["answer"]).encode()
    return met.reply(cases.call_of(RESPONSES, CONVERSE, document), [], body).body


@pytest.mark.parametrize("case", cases.inputs("responses", CONVERSE))
def test_the_sdk_reads_every_answer(case: str) -> None:
    try:
        body = answered(case)
    except UpstreamBroken:
        return
    answer = responses_types.response(body)
    assert answer.id == "resp_golden"
    assert (answer.status == "incomplete") == (answer.incomplete_details is not None)
    assert answer.usage is not None
    assert answer.usage.total_tokens == answer.usage.input_tokens + answer.usage.output_tokens


def streamed(case: str) -> tuple[bytes, bool]:
    """What the client gets of a stream of Bedrock's, and whether it is whole."""
    document = cases.load("streams", CONVERSE, case)
    relay = relay_of(RESPONSES, CONVERSE, document)
    sent = relay.feed(stream_of(document)) + relay.end()
    if relay.failure is not None:
        sent += relay.error_event(relay.failure)
    return sent, relay.complete


@pytest.mark.parametrize("case", cases.inputs("streams", CONVERSE))
def test_the_sdk_reads_every_event_in_its_order(case: str) -> None:
    sent, complete = streamed(case)
    told = responses_types.events(sent)
    if not complete:
        assert told[-1].type == "error"
        told = told[:-1]
    if told:
        responses_types.in_order(told)
    ends = [event.type for event in told if event.type in {"response.completed", "response.incomplete"}]
    assert ends == ([told[-1].type] if complete else [])
    assert b"[DONE]" not in sent


@pytest.mark.parametrize("case", sorted(set(cases.inputs("streams", CONVERSE)) & set(cases.inputs("responses", CONVERSE))))
def test_a_stream_put_together_by_the_sdk_equals_the_answer_at_once(case: str) -> None:
    sent, complete = streamed(case)
    if not complete:
        with pytest.raises(UpstreamBroken):
            answered(case)
        return
    state: ResponseStreamState[Any] = ResponseStreamState(input_tools=omit, text_format=omit)
    told = responses_types.events(sent)
    for event in told:
        state.handle_event(event)
    expected = json.loads(answered(case))
    # JSON text may be cut up, but is not written anew: only blanks tell a streamed call from one at once.
    assert said(json.loads(told[-1].response.model_dump_json(exclude_none=True))) == said(expected)
    if told[-1].type == "response.completed":
        assert said(json.loads(state._completed_response.model_dump_json(exclude_none=True))) == said(expected)  # type: ignore[union-attr]


def said(response: dict[str, Any]) -> dict[str, Any]:
    """A response without nulls, the arguments of its calls as what they say."""
    found: dict[str, Any] = without_nulls(response)
    found["created_at"] = int(found["created_at"])
    for item in found["output"]:
        item.pop("parsed_arguments", None)
        if item["type"] == "function_call":
            item["arguments"] = json.loads(item["arguments"])
    return found


def without_nulls(value: Any) -> Any:
    if isinstance(value, dict):
        return {name: without_nulls(member) for name, member in value.items() if member is not None}
    return [without_nulls(element) for element in value] if isinstance(value, list) else value


@pytest.mark.parametrize("case", cases.inputs("responses", RESPONSES))
def test_answers_of_the_same_dialect_pass_byte_for_byte(case: str) -> None:
    document = cases.load("responses", RESPONSES, case)
    body = document["raw"].encode() if "raw" in document else json.dumps(document["answer"]).encode()
    met = translation.between(RESPONSES, RESPONSES)
    assert met is not None
    try:
        answer = met.reply(cases.call_of(RESPONSES, RESPONSES, document), [], body)
    except UpstreamBroken:
        assert case in {"broken-html", "broken-no-output", "failed"}
        return
    assert answer.body == body
    if case != "unknown-items":
        responses_types.response(body)


@pytest.mark.parametrize("case", cases.inputs("streams", RESPONSES))
def test_streams_of_the_same_dialect_pass_byte_for_byte(case: str) -> None:
    document = cases.load("streams", RESPONSES, case)
    relay = relay_of(RESPONSES, RESPONSES, document)
    sent = relay.feed(stream_of(document)) + relay.end()
    assert stream_of(document).startswith(sent)
    assert relay.complete == (relay.failure is None)


@pytest.mark.parametrize("case", sorted(set(cases.inputs("streams", RESPONSES)) - STRANGE))
def test_what_providers_are_said_to_stream_holds_to_the_sdks_types(case: str) -> None:
    told = responses_types.events(stream_of(cases.load("streams", RESPONSES, case)))
    if told:
        responses_types.in_order([event for event in told if event.type != "error"])


def test_a_failure_before_content_is_seen_by_nobody_and_one_after_it_is_told() -> None:
    for case, content in (("failed-after-the-beginning", False), ("error-event", False), ("failed-after-content", True)):
        document = cases.load("streams", RESPONSES, case)
        relay = relay_of(RESPONSES, RESPONSES, document)
        relay.feed(stream_of(document))
        assert relay.failure is not None
        assert relay.content is content
