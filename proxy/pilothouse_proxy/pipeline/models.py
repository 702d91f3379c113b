"""`GET /v1/models` and `GET /v1/models/{name}`: what the caller may ask for, and nothing else."""

from datetime import datetime
from urllib.parse import unquote_to_bytes

import msgspec

from pilothouse_api.snapshot.facts import Facts
from pilothouse_proxy import runtime
from pilothouse_proxy.errors import GatewayError, Kind

PATH = b"/v1/models"


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


_UNKNOWN = Facts()
_CAPABILITIES = _Capabilities.__struct_fields__
_encoder = msgspec.json.Encoder()


def answer(active: runtime.Runtime, *, namespace: str, path: bytes) -> bytes:
    """The body for callers of `namespace`; `path` is `PATH`, alone or followed by `/` and a name.

    Raises:
        GatewayError: no such model, or not for this caller.
    """
    if path == PATH:
        listed = []
        for known, _ in runtime.listed(active, namespace=namespace):
            match = active.table.find(namespace=namespace, name=known)
            if match is not None:
                listed.append(_described(active.routes[match.route], known))
        return _encoder.encode(_List(data=listed))
    # Names may hold slashes, which clients encode or not.
    name = unquote_to_bytes(path[len(PATH) + 1 :]).decode("utf-8", "replace")
    match = active.table.find(namespace=namespace, name=name)
    if match is None:
        raise not_found(name)
    return _encoder.encode(_described(active.routes[match.route], name))


def _described(route: runtime.Route, name: str) -> _Model:
    """A target that cannot serve a request gives way to one that can: the model can do what one of them can."""
    served = [target.listed(name) for target in route.targets]
    models = [one.model for one in served if one is not None]
    told = _Model(id=name, created=_unix(route.created))
    facts = [model.facts or _UNKNOWN for model in models]
    if any(target.passing is not None and one is None for target, one in zip(route.targets, served, strict=True)):
        facts.append(_UNKNOWN)
    contexts = [one.context_tokens for one in facts if one.context_tokens is not None]
    ceilings = [model.max_output_tokens for model in models if model.max_output_tokens is not None]
    if contexts:
        told.context_window = max(contexts)
    if ceilings:
        told.max_output_tokens = max(ceilings)
    known = {capability: _known([getattr(one, capability) for one in facts]) for capability in _CAPABILITIES}
    if any(can is not None for can in known.values()):
        told.capabilities = _Capabilities(**known)
    return told


def _known(each: list[bool | None]) -> bool | None:
    """Yes if one can; no if none can; else nobody knows."""
    if True in each:
        return True
    return None if None in each or not each else False


def not_found(name: str) -> GatewayError:
    """As OpenAI says it; that a route of somebody else's serves the name is not told."""
    return GatewayError(
        Kind.MODEL_NOT_FOUND, f"the model `{name}` does not exist or you do not have access to it", param="model"
    )


def _unix(created: str) -> int:
    try:
        return int(datetime.fromisoformat(created).timestamp())
    except ValueError:
        return 0
