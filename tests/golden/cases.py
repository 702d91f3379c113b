"""Inputs of the translation goldens, and how each is put through: shared by requests, responses and streams."""

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from pilothouse_api.snapshot.providers import Model
from pilothouse_proxy import errors, translation
from pilothouse_proxy.errors import GatewayError
from pilothouse_proxy.ports import SHAPES, Call, DialectName, Operation, Translation

FOLDER = Path(__file__).parent
OPERATIONS = {
    DialectName.OPENAI_CHAT: Operation.CHAT,
    DialectName.OPENAI_EMBEDDINGS: Operation.EMBEDDINGS,
    DialectName.ANTHROPIC_MESSAGES: Operation.MESSAGES,
    DialectName.ANTHROPIC_COUNT_TOKENS: Operation.COUNT_TOKENS,
}
"""What each dialect of clients is for. A dialect that is missing here fails the runners."""

MINIMAL: dict[str, Any] = {"model": "claude", "messages": [{"role": "user", "content": "Hello"}]}
"""The request to an answer whose case names none."""


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
    model = Model(
        upstream=document["upstream"],
        family=document.get("family"),
        max_output_tokens=document.get("max_output_tokens"),
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


def body_of(document: dict[str, Any]) -> bytes:
    """What the client sends."""
    if "raw" in document:
        return str(document["raw"]).encode()
    return json.dumps(document["body"], ensure_ascii=False).encode()


def call_of(client: DialectName, upstream: DialectName, document: dict[str, Any]) -> Call:
    """The call that an answer or a stream belongs to."""
    request = document.get("request", MINIMAL)
    if client in FROM_CHAT:
        request = FROM_CHAT[client](request)
    return call(client, upstream, document, json.dumps(request, ensure_ascii=False).encode())


def shape_of(client: DialectName) -> errors.Shape:
    """How a client of the dialect is told of errors."""
    return SHAPES.get(OPERATIONS[client], errors.Shape.OPENAI)


def told(error: GatewayError, shape: errors.Shape = errors.Shape.OPENAI) -> dict[str, object]:
    """What the client reads of a refusal."""
    answer = errors.from_error(error, shape=shape, request_id="golden")
    return {"status": answer.status, "kind": error.kind, **json.loads(answer.body)}
