"""Servers that manifests name, asked for their lists by the way that the manifest says."""

import ssl
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from typing import Any

import aiohttp

from pilothouse_api.conditions import Reason
from pilothouse_api.secret import Secret
from pilothouse_operator.compile.identities import Server
from pilothouse_operator.discovery import documents
from pilothouse_operator.ports import Fault

_LONGEST_NAME = 253
_RIGHT = "it takes a key that may list models"


@asynccontextmanager
async def connected(server: Server) -> AsyncIterator[aiohttp.ClientSession]:
    """Connections for one list: it is asked for rarely. Raises Fault."""
    connector = aiohttp.TCPConnector(ssl=_context(server), force_close=True)
    async with aiohttp.ClientSession(connector=connector, cookie_jar=aiohttp.DummyCookieJar()) as session:
        yield session


async def get(
    session: aiohttp.ClientSession,
    server: Server,
    target: str,
    *,
    values: Mapping[str, Secret],
    headers: dict[str, str],
) -> Mapping[str, Any]:
    """The JSON object at `target` below the server's URL. Raises Fault."""
    way = _way(server, values, headers)
    return await documents.get(session, f"{server.url}{target}", whose=server.url, right=_RIGHT, **way)


def no_list(url: str, whose: str) -> Fault:
    """What has answered is something else."""
    return Fault(f"{url} is no list of models as {whose} has it", reason=Reason.DISCOVERY_UNAVAILABLE, passing=True)


def name(entry: Mapping[str, Any]) -> str | None:
    """The `id`; None for one that no manifest could say."""
    said = entry.get("id")
    if not isinstance(said, str) or not 0 < len(said) <= _LONGEST_NAME or not said.isascii():
        return None
    return said if said.isprintable() and " " not in said else None


def count(value: object) -> int | None:
    """A number of tokens; None for what is none."""
    return value if isinstance(value, int) and not isinstance(value, bool) and value > 0 else None


def _way(server: Server, values: Mapping[str, Secret], headers: Mapping[str, str]) -> dict[str, Any]:
    if not server.proxy:
        return {"headers": headers}
    if "username" not in values:
        return {"headers": headers, "proxy": server.proxy}
    user = aiohttp.encode_basic_auth(values["username"].reveal(), values["password"].reveal(), "utf-8")
    shown = {"Proxy-Authorization": user}
    # A tunnel is asked for with headers of its own; without one there is only the request, and the proxy takes it out.
    if server.url.startswith("https:"):
        return {"headers": headers, "proxy": server.proxy, "proxy_headers": shown}
    return {"headers": {**headers, **shown}, "proxy": server.proxy}


def _context(server: Server) -> ssl.SSLContext:
    """For the server and the proxy alike: one connection has one."""
    try:
        context = ssl.create_default_context(cadata=server.ca_bundle or None)
        if server.proxy_ca_bundle:
            context.load_verify_locations(cadata=server.proxy_ca_bundle)
    except (ssl.SSLError, ValueError):
        raise Fault(
            "the CA bundle of its connection holds no certificate that can be read",
            reason=Reason.DISCOVERY_REFUSED,
            passing=False,
        ) from None
    return context
