"""Inputs of the translation goldens, and how each is put through: shared by requests, responses and streams."""

from pilothouse_proxy.call import Call
from pilothouse_proxy.operations import DialectName, Operation, SHAPES
import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import msgspec

from pilothouse_api.snapshot.providers import Model
from pilothouse_api.snapshot.settings import Settings
from pilothouse_proxy import errors, translation
from pilothouse_proxy.errors import GatewayError
from pilothouse_proxy.ports import Translation

FOLDER = Path(__file__).parent
OPERATIONS = {
    DialectName.OPENAI_CHAT: Operation.CHAT,
    DialectName.OPENAI_COMPLETIONS: Operation.COMPLETIONS,
    DialectName.OPENAI_EMBEDDINGS: Operation.EMBEDDINGS,
    DialectName.OPENAI_RESPONSES: Operation.RESPONSES,
    DialectName.ANTHROPIC_MESSAGES: Operation.MESSAGES,
    DialectName.ANTHROPIC_COUNT_TOKENS: Operation.COUNT_TOKENS,
    DialectName.RERANK: Operation.RERANK,
}
"""What each dialect of clients is for. A dialect that is missing here fails the runners."""

INVOKED: dict[DialectName, str] = {
    DialectName.BEDROCK_INVOKE_TITAN_TEXT: "amazon.titan-text-express-v1",
    DialectName.BEDROCK_INVOKE_CLAUDE_TEXT: "anthropic.claude-v2:1",
    DialectName.BEDROCK_INVOKE_JURASSIC: "ai21.j2-ultra-v1",
    DialectName.BEDROCK_INVOKE_JAMBA: "ai21.jamba-1-5-large-v1:0",
    DialectName.BEDROCK_INVOKE_COMMAND: "cohere.command-text-v14",
    DialectName.BEDROCK_INVOKE_COMMAND_R: "cohere.command-r-plus-v1:0",
    DialectName.BEDROCK_INVOKE_LLAMA: "us.meta.llama3-2-90b-instruct-v1:0",
    DialectName.BEDROCK_INVOKE_MISTRAL: "mistral.mistral-7b-instruct-v0:2",
    DialectName.BEDROCK_INVOKE_MISTRAL_CHAT: "mistral.mistral-large-2407-v1:0",
    DialectName.BEDROCK_INVOKE_DEEPSEEK: "us.deepseek.r1-v1:0",
    DialectName.BEDROCK_INVOKE_NOVA: "amazon.nova-pro-v1:0",
    DialectName.BEDROCK_INVOKE_OPENAI: "openai.gpt-oss-120b-1:0",
}
"""Dialects of one family each, which a case's own model says nothing of: this one is asked instead."""

CORE = frozenset(
    {
        "text", "turns", "text-parts", "text-unicode-and-escapes", "system-and-developer-lead",
        "system-later-is-hoisted", "turns-of-one-role-are-merged", "blank-user-message", "begins-with-assistant",
        "prefill-is-trimmed", "name-of-participant", "control-tokens-are-said", "image-png", "image-remote", "file-pdf",
        "audio", "limit-old-name", "sampling", "sampling-too-hot", "stop-text", "stop-list-with-empty", "tools",
        "tool-choice-required", "tool-choice-named", "tool-choice-none", "tool-results-of-one-turn-together",
        "tool-history-without-tools", "tool-arguments-not-an-object", "tool-round-is-open",
        "tools-schema-of-every-kind", "parallel-calls-off", "format-schema", "format-object", "effort-open-weight",
        "thinking-unsigned-goes-to-open-weight", "penalty-of-jamba", "seed-of-command-r", "metadata", "tier-flex",
        "neutral-values", "unsupported-n", "cache-breakpoints", "stream", "tools-named-twice", "tools-strict",
        "stop-blank", "tool-result-without-call", "tool-call-without-result", "tool-result-image-inside",
    }
)  # fmt: skip
"""The cases that meet those: every feature once."""

MODELS = {
    DialectName.BEDROCK_TITAN_EMBED: "amazon.titan-embed-text-v2:0",
    DialectName.BEDROCK_TITAN_MULTIMODAL: "amazon.titan-embed-image-v1",
    DialectName.BEDROCK_NOVA_EMBED: "amazon.nova-2-multimodal-embeddings-v1:0",
    DialectName.BEDROCK_COHERE_EMBED: "us.cohere.embed-v4:0",
    DialectName.BEDROCK_MARENGO: "twelvelabs.marengo-embed-3-0-v1:0",
    DialectName.BEDROCK_RERANK: "cohere.rerank-v3-5:0",
}
"""A request's model where the dialect is one family's own; a case's `upstreams` may name another of them."""

MINIMAL: dict[str, Any] = {"model": "claude", "messages": [{"role": "user", "content": "Hello"}]}
"""The request to an answer whose case names none."""
OTHERWISE: dict[DialectName, dict[str, Any]] = {
    DialectName.OPENAI_RESPONSES: {
        "model": "claude",
        "input": "Hello",
        "include": ["reasoning.encrypted_content"],
    },
}
"""The request of a client that asks in another dialect than the case's `request`, unless `requests` has its own."""

MINIMAL_OF: dict[DialectName, dict[str, Any]] = {
    DialectName.OPENAI_COMPLETIONS: {"model": "claude", "prompt": "Hello"},
}
"""The same of a client that does not speak chat. Of a case's own request it keeps what both APIs have."""
_SHARED = frozenset({"model", "stream", "stream_options"})


def as_messages(request: dict[str, Any]) -> dict[str, Any]:
    """The request of a case, which is one for a chat completion, as a client of Anthropic's asks the same."""
    asked = {name: request[name] for name in ("model", "messages", "stream") if name in request}
    tools = [
        {
            "name": tool["function"]["name"],
            "description": tool["function"].get("description", ""),
            "input_schema": tool["function"].get("parameters", {"type": "object"}),
        }
        for tool in request.get("tools", ())
    ]
    more = {"tools": tools, "stop_sequences": request.get("stop")}
    return {**asked, "max_tokens": 1024, **{name: value for name, value in more.items() if value}}


FROM_CHAT: dict[DialectName, Callable[[dict[str, Any]], dict[str, Any]]] = {
    DialectName.ANTHROPIC_MESSAGES: as_messages,
}
"""Answers and streams are told of a request for a chat completion: how other clients ask the same."""

VERSION = {"anthropic-version": "2023-06-01"}
"""The headers of a case that names none."""


def inputs(kind: str, dialect: DialectName) -> list[str]:
    """Names of the cases in `<kind>/<dialect>/`."""
    return sorted(path.stem for path in (FOLDER / kind / dialect).glob("*.json") if "." not in path.stem)


def requests(client: DialectName, upstream: DialectName) -> list[str]:
    """Names of the requests of clients that meet a dialect."""
    return [case for case in inputs("requests", client) if upstream not in INVOKED or case in CORE]


def load(kind: str, dialect: DialectName, case: str) -> dict[str, Any]:
    """One input."""
    document: dict[str, Any] = json.loads((FOLDER / kind / dialect / f"{case}.json").read_text())
    return document


def pairs() -> Iterator[tuple[DialectName, DialectName, Translation]]:
    """Every client dialect × every provider dialect that can meet."""
    for client in translation.PEEKS:
        for upstream in DialectName:
            found = translation.between(client, upstream)
            if found is not None:
                yield client, upstream, found


def call(client: DialectName, upstream: DialectName, document: dict[str, Any], body: bytes) -> Call:
    """A call as the pipeline makes it, with a fixed id and time.

    Raises:
        GatewayError: the body is refused before it is routed.
    """
    read = translation.headers(client)
    sent = {name.encode(): value.encode() for name, value in document.get("headers", VERSION).items()}
    headers = {} if read is None else read(list(sent.items()))
    peek = translation.peek(client)(body)
    of_the_family = document.get("upstreams", {}).get(upstream) or MODELS.get(upstream)
    model = Model(
        # An answer's case knows its model.
        upstream=document["upstream"] if "request" in document else of_the_family or document["upstream"],
        family=document.get("family"),
        max_output_tokens=document.get("max_output_tokens"),
        settings=msgspec.convert(document["settings"], Settings) if "settings" in document else None,
    )
    return Call(
        operation=OPERATIONS[client],
        request_id="golden",
        created=1_793_534_400,
        peek=peek,
        body=body,
        model=model,
        dialect=upstream,
        streams=peek.stream,
        headers=headers,
    )


def asked_of(client: DialectName, upstream: DialectName, case: str) -> dict[str, Any]:
    """The case of a request, put to the model of the dialect where that is one family's."""
    document = load("requests", client, case)
    return {**document, "upstream": INVOKED[upstream]} if upstream in INVOKED else document


def headers_of(document: dict[str, Any]) -> list[tuple[bytes, bytes]]:
    """Those of an answer."""
    return [(name.encode(), value.encode()) for name, value in document.get("headers", {}).items()]


def body_of(document: dict[str, Any]) -> bytes:
    """What the client sends."""
    if "raw" in document:
        return str(document["raw"]).encode()
    return json.dumps(document["body"], ensure_ascii=False).encode()


def call_of(client: DialectName, upstream: DialectName, document: dict[str, Any]) -> Call:
    """The call that an answer or a stream belongs to."""
    request = document.get("requests", {}).get(client)
    if request is None:
        request = OTHERWISE.get(client) or document.get("request", MINIMAL)
        if client in MINIMAL_OF and client is not upstream:
            kept = {name: value for name, value in request.items() if name in _SHARED}
            request = {**MINIMAL_OF[client], **kept}
        if client in FROM_CHAT:
            request = FROM_CHAT[client](request)
    # Its headers are those of the answer.
    asked = {name: value for name, value in document.items() if name != "headers"}
    return call(client, upstream, asked, json.dumps(request, ensure_ascii=False).encode())


def shape_of(client: DialectName) -> errors.Shape:
    """How a client of the dialect is told of errors."""
    return SHAPES[OPERATIONS[client]]


def told(error: GatewayError, shape: errors.Shape = errors.Shape.OPENAI) -> dict[str, object]:
    """What the client reads of a refusal."""
    answer = errors.from_error(error, shape=shape, request_id="golden")
    return {"status": answer.status, "kind": error.kind, **json.loads(answer.body)}
