"""`GET /v1/models` and `GET /v1/models/{name}`: what the caller may ask for, and nothing else."""

from datetime import datetime
from urllib.parse import unquote_to_bytes

import msgspec

from pilothouse_proxy import runtime
from pilothouse_proxy.errors import GatewayError, Kind

PATH = b"/v1/models"


class _Model(msgspec.Struct):
    """https://platform.openai.com/docs/api-reference/models/object."""

    id: str
    created: int
    object: str = "model"
    owned_by: str = "pilothouse"


class _List(msgspec.Struct):
    data: list[_Model]
    object: str = "list"


_encoder = msgspec.json.Encoder()


def answer(active: runtime.Runtime, *, namespace: str, path: bytes) -> bytes:
    """The body for callers of `namespace`; `path` is `PATH`, alone or followed by `/` and a name.

    Raises:
        GatewayError: no such model, or not for this caller.
    """
    if path == PATH:
        names = runtime.listed(active, namespace=namespace)
        return _encoder.encode(_List(data=[_Model(id=name, created=_unix(created)) for name, created in names]))
    # Names may hold slashes, which clients encode or not.
    name = unquote_to_bytes(path[len(PATH) + 1 :]).decode("utf-8", "replace")
    match = active.table.find(namespace=namespace, name=name)
    if match is None:
        raise not_found(name)
    return _encoder.encode(_Model(id=name, created=_unix(active.routes[match.route].created)))


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
