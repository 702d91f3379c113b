"""The half of the dialect that faces clients, as `translation` loads it."""

from typing import TypeVar

import msgspec

from pilothouse_proxy.call import Call
from pilothouse_proxy.dialects.rerank import wire
from pilothouse_proxy.errors import GatewayError, Kind
from pilothouse_proxy.exchange import members
from pilothouse_proxy.exchange.members import Members
from pilothouse_proxy.exchange.rerank import Document, Reply, Request

T = TypeVar("T")

_text = msgspec.json.Decoder(str)
_count = msgspec.json.Decoder(int)
_switch: msgspec.json.Decoder[bool] = msgspec.json.Decoder(bool)
_documents = msgspec.json.Decoder(list[msgspec.Raw])
_document: msgspec.json.Decoder[str | wire.Document] = msgspec.json.Decoder(str | wire.Document)
_encode = msgspec.json.encode

_READ = frozenset({"model", "query", "documents", "top_n", "return_documents"})
_NULL = b"null"


class Client:
    """`RerankClient` of rerank."""

    def decode_request(self, call: Call) -> Request:
        """The neutral request.

        Raises:
            GatewayError: INVALID_REQUEST that names the parameter.
        """
        found = call.peek.members
        query = members.value(found, "query", _text)
        if not query:
            raise GatewayError(Kind.INVALID_REQUEST, "`query` must not be empty", param="query")
        top_n = _read(found, "top_n", _count)
        if top_n is not None and top_n < 1:
            raise GatewayError(Kind.INVALID_REQUEST, "`top_n` must be at least 1", param="top_n")
        _wants_documents(found)
        return Request(
            query=query,
            documents=_read_documents(members.value(found, "documents", _documents)),
            top_n=top_n,
            others={name: raw for name, raw in found.items() if name not in _READ and bytes(raw) != _NULL},
        )

    def encode_reply(self, call: Call, request: Request, reply: Reply) -> bytes:
        """The body: with documents only where the client asked for them."""
        shown = _wants_documents(call.peek.members)
        results: list[object] = []
        for result in reply.results:
            row: dict[str, object] = {"index": result.index, "relevance_score": result.score}
            if shown:
                row["document"] = _shown(request.documents[result.index])
            results.append(row)
        document: dict[str, object] = {
            "id": f"rerank-{call.request_id}",
            "model": call.peek.model,
            "results": results,
        }
        if reply.input_tokens is not None:
            document["usage"] = {"prompt_tokens": reply.input_tokens, "total_tokens": reply.input_tokens}
        return _encode(document)


def _read(found: Members, name: str, decoder: msgspec.json.Decoder[T]) -> T | None:
    raw = found.get(name)
    return None if raw is None or bytes(raw) == _NULL else members.value(found, name, decoder)


def _wants_documents(found: Members) -> bool:
    return _read(found, "return_documents", _switch) or False


def _read_documents(given: list[msgspec.Raw]) -> tuple[Document, ...]:
    if not given:
        raise GatewayError(Kind.INVALID_REQUEST, "`documents` must not be an empty list", param="documents")
    documents = []
    for at, raw in enumerate(given):
        path = f"documents[{at}]"
        try:
            read = _document.decode(raw)
        except (ValueError, RecursionError) as error:
            raise GatewayError(Kind.INVALID_REQUEST, f"invalid `{path}`: {error}", param=path) from None
        text = read if isinstance(read, str) else read.text
        if not text:
            raise GatewayError(Kind.INVALID_REQUEST, f"`{path}` must not be empty", param=path)
        documents.append(Document(text=text, sent=raw))
    return tuple(documents)


def _shown(document: Document) -> object:
    """As the client wrote it; a string becomes an object, as it does in Cohere's and Jina's answers."""
    return document.sent if bytes(document.sent)[:1] == b"{" else {"text": document.text}
