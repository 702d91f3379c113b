"""`GET /v1/models` and `GET /v1/models/{name}`: what the caller may ask for, and nothing else."""

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Protocol
from urllib.parse import parse_qs, unquote_to_bytes

import msgspec

from pilothouse_api.names import ModelName
from pilothouse_proxy import runtime
from pilothouse_proxy.errors import GatewayError, Kind, Shape

PATH = b"/v1/models"
MOST = 1_000
"""As many as Anthropic's API gives at once."""
_UNSAID = 20
"""How many it gives unasked."""


class Answer(Protocol):
    """The body for callers of `namespace`; `path` is `PATH`, alone or followed by `/` and a name.

    Raises:
        GatewayError: no such model, or not for this caller; a parameter of the query that makes no sense.
    """

    def __call__(self, active: runtime.Runtime, *, namespace: str, path: bytes, query: bytes) -> bytes: ...


class _Model(msgspec.Struct):
    """https://platform.openai.com/docs/api-reference/models/object."""

    id: str
    created: int
    object: str = "model"
    owned_by: str = "pilothouse"


class _List(msgspec.Struct):
    data: list[_Model]
    object: str = "list"


class _Info(msgspec.Struct):
    """https://platform.claude.com/docs/en/api/models: what a gateway knows of it."""

    id: str
    display_name: str
    created_at: str
    type: str = "model"
    lifecycle: str = "active"


class _Page(msgspec.Struct):
    data: list[_Info]
    has_more: bool
    first_id: str | None
    last_id: str | None


_encoder = msgspec.json.Encoder()


def _openai(active: runtime.Runtime, *, namespace: str, path: bytes, query: bytes) -> bytes:
    if path == PATH:
        names = runtime.listed(active, namespace=namespace)
        return _encoder.encode(_List(data=[_Model(id=name, created=_unix(created)) for name, created in names]))
    name, created = _one(active, namespace, path)
    return _encoder.encode(_Model(id=name, created=_unix(created)))


def _anthropic(active: runtime.Runtime, *, namespace: str, path: bytes, query: bytes) -> bytes:
    if path != PATH:
        return _encoder.encode(_info(*_one(active, namespace, path)))
    names = runtime.listed(active, namespace=namespace)
    asked = {name: values[-1] for name, values in parse_qs(query.decode("ascii", "replace")).items()}
    limit = _limit(asked.get("limit"))
    if "before_id" in asked:
        end = _place(names, asked["before_id"], "before_id")
        begin, more = max(0, end - limit), end > limit
    else:
        begin = _place(names, asked["after_id"], "after_id") + 1 if "after_id" in asked else 0
        end, more = begin + limit, begin + limit < len(names)
    page = names[begin:end]
    return _encoder.encode(
        _Page(
            data=[_info(name, created) for name, created in page],
            has_more=more,
            first_id=page[0][0] if page else None,
            last_id=page[-1][0] if page else None,
        )
    )


ANSWERS: Mapping[Shape, Answer] = {Shape.OPENAI: _openai, Shape.ANTHROPIC: _anthropic}
"""In the words of the dialect that the caller speaks."""


def not_found(name: str) -> GatewayError:
    """As OpenAI says it; that a route of somebody else's serves the name is not told."""
    return GatewayError(
        Kind.MODEL_NOT_FOUND, f"the model `{name}` does not exist or you do not have access to it", param="model"
    )


def _one(active: runtime.Runtime, namespace: str, path: bytes) -> tuple[str, str]:
    """The name at the path, and when its route was made."""
    # Names may hold slashes, which clients encode or not.
    name = unquote_to_bytes(path[len(PATH) + 1 :]).decode("utf-8", "replace")
    match = active.table.find(namespace=namespace, name=name)
    if match is None:
        raise not_found(name)
    return name, active.routes[match.route].created


def _info(name: str, created: str) -> _Info:
    made = datetime.fromtimestamp(_unix(created), UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    return _Info(id=name, display_name=name, created_at=made)


def _limit(asked: str | None) -> int:
    if asked is None:
        return _UNSAID
    if not asked.isdecimal() or not asked.isascii() or not 1 <= int(asked[:9]) <= MOST:
        raise GatewayError(Kind.INVALID_REQUEST, f"`limit` must be a number from 1 to {MOST}", param="limit")
    return int(asked)


def _place(names: list[tuple[ModelName, str]], name: str, param: str) -> int:
    for at, (known, _) in enumerate(names):
        if known == name:
            return at
    raise GatewayError(Kind.INVALID_REQUEST, f"`{param}` names no model of the list: {name[:80]!r}", param=param)


def _unix(created: str) -> int:
    try:
        return int(datetime.fromisoformat(created).timestamp())
    except ValueError:
        return 0
