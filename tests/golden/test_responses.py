"""Every answer of a provider's dialect meets every dialect of clients."""

from pilothouse_proxy.call import Answer
from pilothouse_proxy.operations import DialectName
import base64
import json
from array import array
from typing import Any

import pytest
from anthropic.types import Message
from openai.types import Completion, CreateEmbeddingResponse
from openai.types.chat import ChatCompletion

from pilothouse_proxy import translation
from pilothouse_proxy.errors import UpstreamBroken
from pilothouse_proxy.exchange.reply import Finish
from pilothouse_proxy.ports import Parted
from tests.golden import cases, converse_model, messages_model
from tests.goldens import Goldens

MATRIX = [
    (client, upstream, case) for client, upstream, _ in cases.pairs() for case in cases.inputs("responses", upstream)
]
CONVERSE = cases.inputs("responses", DialectName.BEDROCK_CONVERSE)
EMBEDDED = [row for row in MATRIX if row[0] is DialectName.OPENAI_EMBEDDINGS and row[1].startswith("bedrock.")]
STRANGE = {
    "broken-html",
    "broken-no-usage",
    "broken-wrong-type",
    "guardrail-trace-unreadable",
    "new-members-are-passed-over",
    "stop-unknown",
}
"""Cases of Bedrock that break its service model, on purpose."""


MESSAGES = [
    (upstream, case)
    for upstream in (DialectName.ANTHROPIC_MESSAGES, DialectName.BEDROCK_INVOKE_ANTHROPIC)
    for case in cases.inputs("responses", upstream)
]
NEWER = {"blocks-unknown", "stop-unknown"}
"""Cases of Messages that its SDK does not know, on purpose."""


def bodies(upstream: DialectName, case: str) -> list[bytes]:
    document = cases.load("responses", upstream, case)
    if "raw" in document:
        return [document["raw"].encode()]
    return [json.dumps(answer).encode() for answer in document.get("answers", [document.get("answer")])]


def sent(upstream: DialectName, case: str) -> bytes:
    (body,) = bodies(upstream, case)
    return body


def translated(client: DialectName, upstream: DialectName, case: str) -> Answer:
    met = translation.between(client, upstream)
    assert met is not None
    document = cases.load("responses", upstream, case)
    answers = [(cases.headers_of(document), body) for body in bodies(upstream, case)]
    call = cases.call_of(client, upstream, document)
    if isinstance(met, Parted):
        return met.joined(call, [met.part(call, at, *answer) for at, answer in enumerate(answers)])
    return met.reply(call, *answers[0])


def golden_name(client: DialectName, upstream: DialectName, case: str) -> str:
    try:
        translated(client, upstream, case)
    except UpstreamBroken:
        return f"responses/{upstream}/{case}.{client}.error.json"
    return f"responses/{upstream}/{case}.{client}.json"


def shown(answer: Answer) -> dict[str, Any]:
    usage = None
    if answer.usage is not None:
        usage = {name: getattr(answer.usage, name) for name in answer.usage.__struct_fields__}
    return {
        "body": json.loads(answer.body),
        "usage": usage,
        "finish_reason": answer.finish_reason,
        "unknown": list(answer.unknown),
        **({"search_units": answer.search_units} if answer.search_units else {}),
    }


@pytest.mark.parametrize(("client", "upstream", "case"), MATRIX)
def test_an_answer_is_translated_as_written_down(
    client: DialectName, upstream: DialectName, case: str, goldens: Goldens
) -> None:
    name = golden_name(client, upstream, case)
    try:
        goldens.check_json(name, shown(translated(client, upstream, case)))
    except UpstreamBroken as broken:
        goldens.check_json(name, {"broken": str(broken)})


def test_no_golden_answer_is_stale_and_none_is_missing(goldens: Goldens) -> None:
    assert len(MATRIX) > 35
    goldens.check_complete("responses/*/*.*.json", {golden_name(*row) for row in MATRIX})


@pytest.mark.parametrize("case", sorted(set(CONVERSE) - STRANGE))
def test_what_converse_is_said_to_answer_holds_to_the_service_model(case: str) -> None:
    assert converse_model.problems_of_reply(json.loads(sent(DialectName.BEDROCK_CONVERSE, case))) == ""


NATIVE = [(upstream, case) for upstream in cases.INVOKED for case in cases.inputs("responses", upstream)]


@pytest.mark.parametrize(("upstream", "case"), [row for row in MESSAGES if row[1] not in NEWER])
def test_what_messages_is_said_to_answer_holds_to_the_types_of_anthropics_sdk(
    upstream: DialectName, case: str
) -> None:
    document = cases.load("responses", upstream, case)
    if "raw" not in document and not case.startswith("broken"):
        assert messages_model.problems_of_reply(document["answer"]) == ""


@pytest.mark.parametrize(
    ("upstream", "case"), [*((DialectName.BEDROCK_CONVERSE, case) for case in CONVERSE), *NATIVE, *MESSAGES]
)
def test_the_sdk_reads_every_translated_answer(upstream: DialectName, case: str) -> None:
    try:
        answer = translated(DialectName.OPENAI_CHAT, upstream, case)
    except UpstreamBroken:
        return
    completion = ChatCompletion.model_validate_json(answer.body)
    assert completion.choices[0].finish_reason in set(Finish)
    assert set(completion.model_extra or {}) <= {"prompt_filter_results"}
    assert set(completion.choices[0].model_extra or {}) <= {"content_filter_results"}
    assert set(completion.choices[0].message.model_extra or {}) <= {"reasoning_content", "thinking_blocks"}
    assert completion.usage is not None
    assert completion.usage.total_tokens == completion.usage.prompt_tokens + completion.usage.completion_tokens


@pytest.mark.parametrize(("client", "upstream", "case"), EMBEDDED)
def test_the_sdk_reads_every_translated_list_of_embeddings(
    client: DialectName, upstream: DialectName, case: str
) -> None:
    try:
        answer = translated(client, upstream, case)
    except UpstreamBroken:
        return
    document = json.loads(answer.body)
    asked = cases.load("responses", upstream, case)["request"]
    for row in document["data"]:
        if asked.get("encoding_format") == "base64":
            row["embedding"] = list(array("f", base64.b64decode(row["embedding"])))
    read = CreateEmbeddingResponse.model_validate(document)
    assert not read.model_extra
    assert [row.index for row in read.data] == list(range(len(read.data)))
    assert read.usage.total_tokens == read.usage.prompt_tokens


@pytest.mark.parametrize("case", cases.inputs("responses", DialectName.RERANK))
def test_rankings_of_the_same_dialect_pass_byte_for_byte(case: str) -> None:
    try:
        answer = translated(DialectName.RERANK, DialectName.RERANK, case)
    except UpstreamBroken:
        return
    assert answer.body == sent(DialectName.RERANK, case)


@pytest.mark.parametrize("case", CONVERSE)
def test_anthropics_sdk_reads_every_translated_answer(case: str) -> None:
    try:
        answer = translated(DialectName.ANTHROPIC_MESSAGES, DialectName.BEDROCK_CONVERSE, case)
    except UpstreamBroken:
        return
    message = Message.model_validate_json(answer.body)
    assert not message.model_extra
    assert all(not block.model_extra for block in message.content)
    assert message.to_dict(mode="json", exclude_unset=True) == json.loads(answer.body)
    usage, counted = answer.usage, message.usage
    assert usage is not None
    cached = (counted.cache_read_input_tokens or 0) + (counted.cache_creation_input_tokens or 0)
    assert counted.input_tokens + cached == usage.input_tokens


@pytest.mark.parametrize(
    ("upstream", "case"),
    [
        (upstream, case)
        for client, upstream, case in MATRIX
        if client is DialectName.OPENAI_COMPLETIONS and upstream is not client
    ],
)
def test_the_sdk_reads_every_answer_to_a_legacy_completion(upstream: DialectName, case: str) -> None:
    try:
        answer = translated(DialectName.OPENAI_COMPLETIONS, upstream, case)
    except UpstreamBroken:
        return
    completion = Completion.model_validate_json(answer.body)
    assert (completion.object, completion.id) == ("text_completion", "cmpl-golden")
    assert completion.choices[0].finish_reason in {"stop", "length", "content_filter"}
    assert set(completion.model_extra or {}) <= {"prompt_filter_results"}
    assert set(completion.choices[0].model_extra or {}) <= {"content_filter_results"}
    assert completion.usage is not None


@pytest.mark.parametrize(
    "upstream", [DialectName.OPENAI_CHAT, DialectName.OPENAI_COMPLETIONS, DialectName.OPENAI_EMBEDDINGS]
)
def test_answers_of_the_same_dialect_pass_byte_for_byte(upstream: DialectName) -> None:
    types: dict[DialectName, Any] = {
        DialectName.OPENAI_CHAT: ChatCompletion,
        DialectName.OPENAI_COMPLETIONS: Completion,
        DialectName.OPENAI_EMBEDDINGS: CreateEmbeddingResponse,
    }
    for case in cases.inputs("responses", upstream):
        try:
            answer = translated(upstream, upstream, case)
        except UpstreamBroken:
            continue
        assert answer.body == sent(upstream, case), case
        if answer.usage is not None and "null" not in case and case != "base64":  # the SDK decodes that itself
            assert types[upstream].model_validate_json(answer.body), case
