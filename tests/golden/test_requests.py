"""Every request of a client's dialect meets every dialect of a provider."""

from pilothouse_proxy.operations import DialectName
import itertools
import json
from typing import Any

import pytest

from pilothouse_proxy import translation
from pilothouse_proxy.errors import GatewayError, Kind
from pilothouse_proxy.ports import Translation
from tests import sdk_bodies
from tests.golden import cases, converse_model, messages_model
from tests.goldens import Goldens

MATRIX = [
    (client, upstream, case) for client, upstream, _ in cases.pairs() for case in cases.requests(client, upstream)
]
CONVERSE = [(client, case) for client, upstream, case in MATRIX if upstream is DialectName.BEDROCK_CONVERSE]
RENAMED = {"limit-old-name-of-a-reasoning-model", "limit-old-name-of-a-reasoning-family"}
"""Cases whose limit the model would refuse under the name that the client gives it."""
LEGACY = cases.inputs("requests", DialectName.OPENAI_COMPLETIONS)
INVOKED = [row for row in MATRIX if row[1].startswith("bedrock.invoke.")]


def translated(client: DialectName, upstream: DialectName, case: str) -> bytes:
    document = cases.asked_of(client, upstream, case)
    met = translation.between(client, upstream)
    assert met is not None
    call = cases.call(client, upstream, document, cases.body_of(document))
    body = met.request(call)
    # Several bodies are shown as a list.
    return b"[%b]" % b",".join((body, *call.further)) if call.further else body


def golden_name(client: DialectName, upstream: DialectName, case: str) -> str:
    try:
        translated(client, upstream, case)
    except GatewayError:
        return f"requests/{client}/{case}.{upstream}.error.json"
    return f"requests/{client}/{case}.{upstream}.json"


@pytest.mark.parametrize(("client", "upstream", "case"), MATRIX)
def test_a_request_is_translated_as_written_down(
    client: DialectName, upstream: DialectName, case: str, goldens: Goldens
) -> None:
    name = golden_name(client, upstream, case)
    try:
        goldens.check_json(name, json.loads(translated(client, upstream, case)))
    except GatewayError as error:
        goldens.check_json(name, cases.told(error, cases.shape_of(client)))


def test_no_golden_request_is_stale_and_none_is_missing(goldens: Goldens) -> None:
    assert len(CONVERSE) > 150
    goldens.check_complete("requests/*/*.*.json", {golden_name(*row) for row in MATRIX})


def test_the_pairs_of_dialects_that_meet_are_those_written_down(goldens: Goldens) -> None:
    met = {(client, upstream): type(found).__name__ for client, upstream, found in cases.pairs()}
    lines = [
        f"{client} → {upstream}: {met.get((client, upstream), 'not offered')}\n"
        for client in translation.PEEKS
        for upstream in DialectName
    ]
    goldens.check("pairs.txt", "".join(lines))


@pytest.mark.parametrize(("client", "case"), CONVERSE)
def test_what_converse_is_sent_holds_to_the_service_model(client: DialectName, case: str) -> None:
    try:
        body = json.loads(translated(client, DialectName.BEDROCK_CONVERSE, case))
    except GatewayError as error:
        assert error.kind in {Kind.INVALID_REQUEST, Kind.UNSUPPORTED}
        return
    model_id = cases.load("requests", client, case)["upstream"]
    assert converse_model.problems_of_request(body, model_id) == ""


@pytest.mark.parametrize(("client", "upstream", "case"), INVOKED)
def test_what_models_are_invoked_with_holds_to_the_service_model(
    client: DialectName, upstream: DialectName, case: str
) -> None:
    document = cases.load("requests", client, case)
    met = translation.between(client, upstream)
    assert met is not None
    try:
        call = cases.call(client, upstream, document, cases.body_of(document))
        bodies = [met.request(call), *call.further]
    except GatewayError as error:
        assert error.kind in {Kind.INVALID_REQUEST, Kind.UNSUPPORTED}
        return
    for body in bodies:
        assert converse_model.problems_of_invocation(body, call.model.upstream) == ""


MESSAGES = [
    (upstream, case)
    for client, upstream, case in MATRIX
    if client is DialectName.OPENAI_CHAT
    and upstream in {DialectName.ANTHROPIC_MESSAGES, DialectName.BEDROCK_INVOKE_ANTHROPIC}
]


def told_in_messages(upstream: DialectName, case: str) -> dict[str, Any] | None:
    """The body in the form of Anthropic's own API; None for a refusal."""
    try:
        body: dict[str, Any] = json.loads(translated(DialectName.OPENAI_CHAT, upstream, case))
    except GatewayError as error:
        assert error.kind in {Kind.INVALID_REQUEST, Kind.UNSUPPORTED}
        return None
    if upstream is DialectName.BEDROCK_INVOKE_ANTHROPIC:
        assert body.pop("anthropic_version") == "bedrock-2023-05-31"
        assert not {"model", "stream"} & body.keys()
        body["model"] = cases.load("requests", DialectName.OPENAI_CHAT, case)["upstream"]
    return body


@pytest.mark.parametrize(("upstream", "case"), MESSAGES)
def test_what_is_sent_in_messages_holds_to_the_types_of_anthropics_sdk(upstream: DialectName, case: str) -> None:
    body = told_in_messages(upstream, case)
    assert body is None or messages_model.problems_of_request(body) == ""


def test_messages_hold_what_anthropic_demands_of_every_request() -> None:
    bodies = [(case, body) for upstream, case in MESSAGES if (body := told_in_messages(upstream, case)) is not None]
    assert len(bodies) > 150
    for case, body in bodies:
        turns = [message for message in body["messages"] if message["role"] != "system"]
        blocks = [block for message in body["messages"] for block in message["content"]]
        assert body["max_tokens"] >= 1, case
        assert turns[0]["role"] == "user", case
        assert all(one["role"] != other["role"] for one, other in itertools.pairwise(turns)), case
        assert all(block["text"].strip() for block in blocks if block["type"] == "text"), case
        assert sum("cache_control" in block for block in blocks + body.get("system", [])) <= 4, case
        if any(block["type"] in {"tool_use", "tool_result"} for block in blocks):
            assert body["tools"], case
        for at, message in enumerate(turns):
            asked = [block["id"] for block in message["content"] if block["type"] == "tool_use"]
            if asked:
                head = turns[at + 1]["content"][: len(asked)]
                assert sorted(asked) == sorted(block["tool_use_id"] for block in head), case
        budget = body.get("thinking", {}).get("budget_tokens")
        assert budget is None or 1_024 <= budget < body["max_tokens"], case


def accepted() -> list[tuple[str, dict[str, Any]]]:
    """Every Converse body that is sent, by its case."""
    bodies = []
    for client, case in CONVERSE:
        try:
            body = translated(client, DialectName.BEDROCK_CONVERSE, case)
        except GatewayError:
            continue
        bodies.append((case, json.loads(body)))
    return bodies


def test_an_output_limit_is_always_sent_but_where_the_model_forbids_it() -> None:
    without = [case for case, body in accepted() if "maxTokens" not in body.get("inferenceConfig", {})]
    assert without == ["effort-nova-high"]


def test_turns_alternate_and_begin_with_the_users() -> None:
    for case, body in accepted():
        roles = [message["role"] for message in body["messages"] if message["role"] != "system"]
        assert roles[0] == "user", case
        assert all(one != other for one, other in itertools.pairwise(roles)), case


def test_tools_are_declared_wherever_calls_or_results_are_sent() -> None:
    for case, body in accepted():
        blocks = [block for message in body["messages"] for block in message["content"]]
        if any("toolUse" in block or "toolResult" in block for block in blocks):
            assert "toolConfig" in body, case


def test_each_call_is_answered_in_the_very_next_turn_before_anything_else() -> None:
    for case, body in accepted():
        messages = body["messages"]
        for at, message in enumerate(messages):
            asked = [block["toolUse"]["toolUseId"] for block in message["content"] if "toolUse" in block]
            if asked:
                head = messages[at + 1]["content"][: len(asked)]
                assert sorted(asked) == sorted(block["toolResult"]["toolUseId"] for block in head), case


def test_no_text_is_blank() -> None:
    for case, body in accepted():
        messages = [*body["messages"], {"content": body.get("system", [])}]
        texts = [block["text"] for message in messages for block in message["content"] if "text" in block]
        assert all(text.strip() for text in texts), case


def test_equal_requests_give_equal_bytes() -> None:
    for client, case in CONVERSE:
        try:
            first = translated(client, DialectName.BEDROCK_CONVERSE, case)
        except GatewayError:
            continue
        assert translated(client, DialectName.BEDROCK_CONVERSE, case) == first, case


@pytest.mark.parametrize("case", LEGACY)
def test_what_a_legacy_completion_becomes_holds_to_the_providers_own_types(case: str) -> None:
    client = DialectName.OPENAI_COMPLETIONS
    upstream = cases.load("requests", client, case)["upstream"]
    for dialect in (DialectName.OPENAI_CHAT, DialectName.BEDROCK_CONVERSE):
        try:
            body = json.loads(translated(client, dialect, case))
        except GatewayError as error:
            assert error.kind in {Kind.INVALID_REQUEST, Kind.UNSUPPORTED}
            assert error.param or "malformed" in case
            continue
        if dialect is DialectName.OPENAI_CHAT:
            sdk_bodies.chat_body(body)
        else:
            assert converse_model.problems_of_request(body, upstream) == ""


@pytest.mark.parametrize("dialect", [DialectName.OPENAI_CHAT, DialectName.OPENAI_COMPLETIONS])
def test_pass_through_keeps_every_member_but_the_models_name(dialect: DialectName) -> None:
    for case in cases.inputs("requests", dialect):
        document = cases.load("requests", dialect, case)
        try:
            body = json.loads(translated(dialect, dialect, case))
        except GatewayError:
            continue
        assert body.pop("model") == document["upstream"], case
        body.pop("stream_options", None)
        sent = json.loads(cases.body_of(document))
        if case in RENAMED:
            sent["max_completion_tokens"] = sent.pop("max_tokens")
        assert body == {name: sent[name] for name in sent if name not in {"model", "stream_options"}}, case


def test_a_translation_is_stateless() -> None:
    met: Translation | None = translation.between(DialectName.OPENAI_CHAT, DialectName.BEDROCK_CONVERSE)
    assert met is translation.between(DialectName.OPENAI_CHAT, DialectName.BEDROCK_CONVERSE)
    kept = {name for name in dir(met) if not name.startswith("__") and not callable(getattr(met, name))}
    assert kept == {"_client", "_provider", "_words"}
