"""Inputs of the translation goldens, and how each is put through: shared by requests, responses and streams."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from pilothouse_api.snapshot.providers import Model
from pilothouse_proxy import errors, translation
from pilothouse_proxy.errors import GatewayError
from pilothouse_proxy.ports import Call, DialectName, Operation, Translation

FOLDER = Path(__file__).parent
OPERATIONS = {
    DialectName.OPENAI_CHAT: Operation.CHAT,
    DialectName.OPENAI_EMBEDDINGS: Operation.EMBEDDINGS,
    DialectName.RERANK: Operation.RERANK,
}
"""What each dialect of clients is for. A dialect that is missing here fails the runners."""

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
    peek = translation.peek(client)(body)
    of_the_family = document.get("upstreams", {}).get(upstream) or MODELS.get(upstream)
    model = Model(
        # An answer's case knows its model.
        upstream=document["upstream"] if "request" in document else of_the_family or document["upstream"],
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
    )


def body_of(document: dict[str, Any]) -> bytes:
    """What the client sends."""
    if "raw" in document:
        return str(document["raw"]).encode()
    return json.dumps(document["body"], ensure_ascii=False).encode()


def call_of(client: DialectName, upstream: DialectName, document: dict[str, Any]) -> Call:
    """The call that an answer or a stream belongs to."""
    body = json.dumps(document.get("request", MINIMAL), ensure_ascii=False).encode()
    return call(client, upstream, document, body)


def told(error: GatewayError) -> dict[str, object]:
    """What the client reads of a refusal."""
    answer = errors.from_error(error)
    return {"status": answer.status, "kind": error.kind, **json.loads(answer.body)}
