"""The calls: list, get, watch, apply, create, replace, patch. Each has a deadline; objects are dicts as JSON has them.

What may pass by itself (no connection, 429, 5xx) is tried again until the deadline, with full jitter and no sooner
than `Retry-After` asks; a 4xx never is. Paths: https://kubernetes.io/docs/reference/using-api/api-concepts/
"""

import asyncio
import enum
import json
import random
from collections.abc import AsyncIterator, Callable, Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlencode

import aiohttp

from pilothouse_api.secret import Secret
from pilothouse_operator.kube import errors, resources
from pilothouse_operator.kube.connection import Connection
from pilothouse_operator.kube.errors import Gone, KubeError, Unauthorized, Unavailable
from pilothouse_operator.kube.resources import ApiResource
from pilothouse_operator.kube.stream import Event, Lines, event
from pilothouse_operator.observe import Metrics

Object = dict[str, Any]

_DEADLINE_S = 30.0
_CONNECT_S = 5.0
_BACKOFF_S = (0.2, 5.0)
_PAGE = 500
# The key set of ServiceAccount tokens comes in its own type (RFC 7517 §8.5) or not at all.
_ACCEPT = "application/json, application/jwk-set+json"
# Bookmarks come each minute: whoever hears nothing for longer listens to a dead line.
_INACTIVITY_S = 70.0
_WATCH_S = (300, 600)


class Force(enum.Enum):
    """Whether a server-side apply takes fields from their owners."""

    NO = "false"
    YES = "true"


class Content(enum.StrEnum):
    """Kinds of bodies."""

    JSON = "application/json"
    MERGE_PATCH = "application/merge-patch+json"
    APPLY = "application/apply-patch+yaml"


@dataclass(frozen=True, slots=True, kw_only=True)
class Listing:
    """A whole collection at one moment: `version` is that moment's."""

    items: list[Object]
    version: str


class Api:
    """The API server, by one connection."""

    def __init__(self, *, connection: Connection, metrics: Metrics, rng: random.Random) -> None:
        self._connection = connection
        self._metrics = metrics
        self._rng = rng
        self._lost = False
        self._recovered: list[Callable[[], None]] = []

    def on_recovery(self, recovered: Callable[[], None]) -> None:
        """`recovered` is called whenever the first call after a lost connection has gone through."""
        self._recovered.append(recovered)

    async def list(
        self,
        kind: ApiResource,
        *,
        namespace: str | None = None,
        labels: str = "",
        fields: str = "",
        deadline_s: float = _DEADLINE_S,
    ) -> Listing:
        """All objects that both selectors choose, of one moment, newest state."""
        query = {"limit": str(_PAGE), "labelSelector": labels, "fieldSelector": fields}
        items: list[Object] = []
        path = kind.path(namespace=namespace)
        while True:
            try:
                page = await self._call("GET", path, kind, query=query, deadline_s=deadline_s)
            except Gone:
                # The continue token has expired: in one go, then.
                items, query = [], {"labelSelector": labels, "fieldSelector": fields}
                page = await self._call("GET", path, kind, query=query, deadline_s=deadline_s)
            items.extend(page.get("items") or ())
            metadata = page.get("metadata") or {}
            if not metadata.get("continue"):
                return Listing(items=items, version=str(metadata.get("resourceVersion", "")))
            query = query | {"continue": metadata["continue"]}

    async def get(
        self, kind: ApiResource, *, name: str, namespace: str | None = None, deadline_s: float = _DEADLINE_S
    ) -> Object:
        """One object. Raises NotFound, Forbidden, …"""
        return await self._call("GET", kind.path(namespace=namespace, name=name), kind, deadline_s=deadline_s)

    async def raw(self, path: str, *, deadline_s: float = _DEADLINE_S) -> Object:
        """Any other JSON document that the API server has (`/openid/v1/jwks`)."""
        return await self._call("GET", path, None, deadline_s=deadline_s)

    async def apply(
        self,
        kind: ApiResource,
        *,
        name: str,
        body: Mapping[str, Any],
        field_manager: str,
        namespace: str | None = None,
        subresource: str = "",
        force: Force = Force.NO,
    ) -> Object:
        """Server-side apply of exactly the fields in `body`. Raises Conflict with the managers that own some."""
        path = kind.path(namespace=namespace, name=name, subresource=subresource)
        query = {"fieldManager": field_manager, "force": force.value}
        return await self._call("PATCH", path, kind, query=query, body=body, content=Content.APPLY)

    async def create(
        self,
        kind: ApiResource,
        *,
        body: Mapping[str, Any],
        namespace: str | None = None,
        deadline_s: float = _DEADLINE_S,
    ) -> Object:
        """Raises AlreadyExists, also when a first try went through whose answer was lost."""
        return await self._call("POST", kind.path(namespace=namespace), kind, body=body, deadline_s=deadline_s)

    async def replace(
        self,
        kind: ApiResource,
        *,
        name: str,
        body: Mapping[str, Any],
        namespace: str | None = None,
        deadline_s: float = _DEADLINE_S,
    ) -> Object:
        """Raises Conflict when `body`'s resourceVersion is not the newest."""
        path = kind.path(namespace=namespace, name=name)
        return await self._call("PUT", path, kind, body=body, deadline_s=deadline_s)

    async def merge(
        self, kind: ApiResource, *, name: str, body: Mapping[str, Any], namespace: str | None = None
    ) -> Object:
        """JSON merge patch (RFC 7386)."""
        path = kind.path(namespace=namespace, name=name)
        return await self._call("PATCH", path, kind, body=body, content=Content.MERGE_PATCH)

    async def review_token(self, token: Secret, audience: str) -> Object:
        """The `status` of a TokenReview: authenticated, user, audiences, error."""
        body = {
            "apiVersion": "authentication.k8s.io/v1",
            "kind": "TokenReview",
            "spec": {"token": token.reveal(), "audiences": [audience]},
        }
        kind = resources.TOKEN_REVIEWS
        review = await self._call("POST", kind.path(), kind, body=body, deadline_s=10.0)
        return dict(review.get("status") or {})

    async def watch(
        self, kind: ApiResource, *, version: str, namespace: str | None = None, labels: str = "", fields: str = ""
    ) -> AsyncIterator[Event]:
        """Changes after `version`, bookmarks among them, until the server ends the stream (5 to 10 minutes).

        Raises Gone when `version` is no longer kept, Unavailable when the stream breaks, stalls for 70 s or is
        garbled; whatever was heard before stands. Not tried again: the caller must list first, or knows the version.
        """
        query = {
            "watch": "1",
            "allowWatchBookmarks": "true",
            "resourceVersion": version,
            "timeoutSeconds": str(self._rng.randint(*_WATCH_S)),
            "labelSelector": labels,
            "fieldSelector": fields,
        }
        path = kind.path(namespace=namespace)
        what = f"watch {path}"
        limits = aiohttp.ClientTimeout(total=None, sock_connect=_CONNECT_S, sock_read=_INACTIVITY_S)
        try:
            response = await self._send("GET", path, query=query, limits=limits)
            try:
                if response.status != 200:
                    raise await _error(response, what, kind)
                lines = Lines(what)
                async for chunk in response.content.iter_any():
                    for line in lines.feed(chunk):
                        yield event(line, what)
                lines.end()
            finally:
                _hang_up(response)
        except KubeError as error:
            self._count("watch", error)
            raise
        except (aiohttp.ClientError, TimeoutError, OSError) as error:
            lost = self._broken(error, what)
            self._count("watch", lost)
            raise lost from error
        self._count("watch", None)

    async def _call(
        self,
        method: str,
        path: str,
        kind: ApiResource | None,
        *,
        query: Mapping[str, str] | None = None,
        body: Mapping[str, Any] | None = None,
        content: Content = Content.JSON,
        deadline_s: float = _DEADLINE_S,
    ) -> Object:
        loop = asyncio.get_running_loop()
        deadline = loop.time() + deadline_s
        backoff, renewed = _BACKOFF_S[0], False
        while True:
            try:
                answer = await self._once(method, path, kind, query or {}, body, content, deadline - loop.time())
            except Unavailable as error:
                self._count(method, error)
                pause = max(self._rng.uniform(0, backoff), error.retry_after_s)
                if loop.time() + pause >= deadline:
                    raise
                backoff = min(backoff * 2, _BACKOFF_S[1])
                await asyncio.sleep(pause)
            except Unauthorized as error:
                self._count(method, error)
                if renewed:
                    raise
                renewed = True
                await self._connection.renew()
            except KubeError as error:
                self._count(method, error)
                raise
            else:
                self._count(method, None)
                return answer

    async def _once(
        self,
        method: str,
        path: str,
        kind: ApiResource | None,
        query: Mapping[str, str],
        body: Mapping[str, Any] | None,
        content: Content,
        timeout_s: float,
    ) -> Object:
        what = f"{method} {path}"
        limits = aiohttp.ClientTimeout(total=max(timeout_s, 0.001), sock_connect=_CONNECT_S)
        try:
            response = await self._send(method, path, query=query, body=body, content=content, limits=limits)
            async with response:
                if response.status >= 300:
                    raise await _error(response, what, kind)
                answer = json.loads(await response.read())
        except KubeError:
            raise
        except (aiohttp.ClientError, TimeoutError, OSError) as error:
            if isinstance(error, aiohttp.ClientConnectorCertificateError):
                # Perhaps the cluster has a new CA, in a file that we can read again.
                await self._connection.renew()
            raise self._broken(error, what) from error
        except ValueError as error:
            raise Unavailable(f"{what}: the answer is not JSON") from error
        if not isinstance(answer, dict):
            raise Unavailable(f"{what}: the answer is not a JSON object")
        return answer

    async def _send(
        self,
        method: str,
        path: str,
        *,
        limits: aiohttp.ClientTimeout,
        query: Mapping[str, str],
        body: Mapping[str, Any] | None = None,
        content: Content = Content.JSON,
    ) -> aiohttp.ClientResponse:
        client = await self._connection.client()
        encoded = urlencode({key: value for key, value in query.items() if value})
        url = f"{self._connection.server}{path}" + (f"?{encoded}" if encoded else "")
        headers = {"Accept": _ACCEPT, "Content-Type": content.value, **self._connection.headers()}
        headers |= client.default_headers
        answer = await client.call_api(method, url, header_params=headers, body=body, _request_timeout=limits)
        response: aiohttp.ClientResponse = answer.response
        return response

    def _count(self, verb: str, error: KubeError | None) -> None:
        outcome = "ok" if error is None else type(error).__name__.lower()
        self._metrics.kube_requests.labels(verb.lower(), outcome).inc()
        if self._lost and error is None:
            self._lost = False
            for recovered in self._recovered:
                recovered()

    def _broken(self, error: Exception, what: str) -> Unavailable:
        self._lost = True
        if isinstance(error, TimeoutError):
            return Unavailable(f"{what}: no answer in time")
        return Unavailable(f"{what}: {error or type(error).__name__}")


def _hang_up(response: aiohttp.ClientResponse) -> None:
    """Without a farewell: TLS would wait up to 30 s for the server's, which a dead line never brings."""
    connection = response.connection
    if connection is not None and connection.transport is not None:
        connection.transport.abort()
    response.close()


async def _error(response: aiohttp.ClientResponse, what: str, kind: ApiResource | None) -> KubeError:
    raw = await response.read()
    try:
        status = json.loads(raw)
    except ValueError:
        status = {}
    if not isinstance(status, dict):
        status = {}
    said = (
        "" if kind in resources.CONFIDENTIAL and response.status not in (403, 404) else str(status.get("message", ""))
    )
    error = errors.of_status(response.status, what, status, said)
    if isinstance(error, Unavailable):
        error.retry_after_s = _seconds(response.headers.get("Retry-After", ""))
    return error


def _seconds(value: str) -> float:
    """The API server sends whole seconds, never a date."""
    return float(value) if value.isdecimal() and len(value) < 6 else 0.0
