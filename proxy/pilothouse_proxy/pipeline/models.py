"""`GET /v1/models` and `GET /v1/models/{name}`: what the caller may ask for, and nothing else."""

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Protocol
from urllib.parse import parse_qs, unquote_to_bytes

import msgspec

from pilothouse_api.names import ModelName
from pilothouse_api.snapshot.facts import Facts
from pilothouse_proxy import runtime
from pilothouse_proxy.errors import GatewayError, Kind, Shape
from pilothouse_proxy.routing import fit

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


class _Capabilities(msgspec.Struct, omit_defaults=True):
    """What is unknown is not there."""

    streaming: bool | None = None
    tools: bool | None = None
    vision: bool | None = None
    documents: bool | None = None
    audio: bool | None = None
    json_schema: bool | None = None
    reasoning: bool | None = None
    embeddings: bool | None = None


class _Model(msgspec.Struct):
    """https://platform.openai.com/docs/api-reference/models/object, and what is known beyond that."""

    id: str
    created: int
    object: str = "model"
    owned_by: str = "pilothouse"
    context_window: int | msgspec.UnsetType = msgspec.UNSET
    max_output_tokens: int | msgspec.UnsetType = msgspec.UNSET
    capabilities: _Capabilities | msgspec.UnsetType = msgspec.UNSET


class _List(msgspec.Struct):
    data: list[_Model]
    object: str = "list"


class _Info(msgspec.Struct):
    """https://platform.claude.com/docs/en/api/models: what a gateway knows of it; not the dozens of `capabilities`."""

    id: str
    display_name: str
    created_at: str
    max_input_tokens: int | None
    max_tokens: int | None
    type: str = "model"
    lifecycle: str = "active"


class _Page(msgspec.Struct):
    data: list[_Info]
    has_more: bool
    first_id: str | None
    last_id: str | None


_UNKNOWN = Facts()
_CAPABILITIES = _Capabilities.__struct_fields__
_encoder = msgspec.json.Encoder()


def _openai(active: runtime.Runtime, *, namespace: str, path: bytes, query: bytes) -> bytes:
    if path == PATH:
        names = runtime.listed(active, namespace=namespace)
        return _encoder.encode(_List(data=[_described(_route(active, namespace, name), name) for name, _ in names]))
    name = _named(path)
    return _encoder.encode(_described(_route(active, namespace, name), name))


def _anthropic(active: runtime.Runtime, *, namespace: str, path: bytes, query: bytes) -> bytes:
    if path != PATH:
        name = _named(path)
        return _encoder.encode(_info(_route(active, namespace, name), name))
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
            data=[_info(_route(active, namespace, name), name) for name, _ in page],
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


def _named(path: bytes) -> str:
    """The name at the path. Names may hold slashes, which clients encode or not."""
    return unquote_to_bytes(path[len(PATH) + 1 :]).decode("utf-8", "replace")


def _route(active: runtime.Runtime, namespace: str, name: str) -> runtime.Route:
    match = active.table.find(namespace=namespace, name=name)
    if match is None:
        raise not_found(name)
    return active.routes[match.route]


class _Known:
    """Of the models behind a name together: what one of them can do, since one that cannot gives way to it."""

    def __init__(self, route: runtime.Route, name: str) -> None:
        served = [target.listed(name) for target in route.targets]
        models = [one.model for one in served if one is not None]
        self._facts = [model.facts or _UNKNOWN for model in models]
        if any(target.passing is not None and one is None for target, one in zip(route.targets, served, strict=True)):
            self._facts.append(_UNKNOWN)
        self.context = max((one.context_tokens for one in self._facts if one.context_tokens is not None), default=None)
        ceilings = [limit for limit in map(fit.ceiling, models) if limit is not None]
        self.ceiling = max(ceilings, default=None)

    def capability(self, name: str) -> bool | None:
        """Yes if one can; no if none can; else nobody knows."""
        each = [getattr(one, name) for one in self._facts]
        if True in each:
            return True
        return None if None in each or not each else False


def _described(route: runtime.Route, name: str) -> _Model:
    known, told = _Known(route, name), _Model(id=name, created=_unix(route.created))
    if known.context is not None:
        told.context_window = known.context
    if known.ceiling is not None:
        told.max_output_tokens = known.ceiling
    capabilities = _Capabilities(**{name: known.capability(name) for name in _CAPABILITIES})
    if capabilities != _Capabilities():
        told.capabilities = capabilities
    return told


def _info(route: runtime.Route, name: str) -> _Info:
    known = _Known(route, name)
    made = datetime.fromtimestamp(_unix(route.created), UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    return _Info(id=name, display_name=name, created_at=made, max_input_tokens=known.context, max_tokens=known.ceiling)


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
