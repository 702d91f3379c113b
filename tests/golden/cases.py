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
    DialectName.OPENAI_COMPLETIONS: Operation.COMPLETIONS,
    DialectName.OPENAI_EMBEDDINGS: Operation.EMBEDDINGS,
}
"""What each dialect of clients is for. A dialect that is missing here fails the runners."""

MINIMAL: dict[str, Any] = {"model": "claude", "messages": [{"role": "user", "content": "Hello"}]}
"""The request to an answer whose case names none."""

MINIMAL_OF: dict[DialectName, dict[str, Any]] = {
    DialectName.OPENAI_COMPLETIONS: {"model": "claude", "prompt": "Hello"},
}
"""The same of a client that does not speak chat. Of a case's own request it keeps what both APIs have."""
_SHARED = frozenset({"model", "stream", "stream_options"})


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
    )


def body_of(document: dict[str, Any]) -> bytes:
    """What the client sends."""
    if "raw" in document:
        return str(document["raw"]).encode()
    return json.dumps(document["body"], ensure_ascii=False).encode()


def call_of(client: DialectName, upstream: DialectName, document: dict[str, Any]) -> Call:
    """The call that an answer or a stream belongs to."""
    request = document.get("request", MINIMAL)
    if client in MINIMAL_OF and client is not upstream:
        kept = {name: value for name, value in request.items() if name in _SHARED}
        request = {**MINIMAL_OF[client], **kept}
    return call(client, upstream, document, json.dumps(request, ensure_ascii=False).encode())


def told(error: GatewayError) -> dict[str, object]:
    """What the client reads of a refusal."""
    answer = errors.from_error(error)
    return {"status": answer.status, "kind": error.kind, **json.loads(answer.body)}
