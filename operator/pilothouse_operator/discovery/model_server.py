"""A server that speaks the OpenAI API: `GET {base}/models`.

https://platform.openai.com/docs/api-reference/models/list. OpenAI itself tells names alone; other servers tell more:
vLLM `max_model_len`, Groq `context_window` and `max_completion_tokens`, OpenRouter `context_length`, `architecture` and
`supported_parameters`.
"""

import ssl
from collections.abc import Mapping
from typing import Any

import aiohttp
import msgspec

from pilothouse_api.conditions import Reason
from pilothouse_api.names import UpstreamModel
from pilothouse_api.secret import Secret
from pilothouse_api.snapshot.facts import Facts
from pilothouse_operator.compile.discovered import FoundModel
from pilothouse_operator.compile.identities import Account, ModelServer
from pilothouse_operator.discovery import documents
from pilothouse_operator.ports import Fault

_LONGEST_NAME = 253
_RIGHT = "it takes a key that may list models"
_CONTEXT = ("max_model_len", "context_window", "context_length")
_PARAMETERS = {"tools": "tools", "json_schema": "structured_outputs", "reasoning": "reasoning"}
_MODALITIES = {"vision": "image", "documents": "file", "audio": "audio"}


class ServedModels:
    """A `ports.Lister` for ModelServer. Each list takes connections of its own: it is asked for rarely."""

    async def models(self, account: Account, values: Mapping[str, Secret]) -> tuple[FoundModel, ...]:
        """Sorted by name. Raises Fault."""
        if not isinstance(account, ModelServer):
            raise TypeError(f"a {type(account).__name__} is no model server")
        headers = {"Authorization": f"Bearer {values['apiKey'].reveal()}"} if "apiKey" in values else {}
        connector = aiohttp.TCPConnector(ssl=_context(account), force_close=True)
        async with aiohttp.ClientSession(connector=connector, cookie_jar=aiohttp.DummyCookieJar()) as session:
            document = await documents.get(
                session, f"{account.url}/models", whose=account.url, right=_RIGHT, **_way(account, values, headers)
            )
        entries = document.get("data")
        if not isinstance(entries, list):
            raise Fault(
                f"{account.url}/models is no list of models as OpenAI has it",
                reason=Reason.DISCOVERY_UNAVAILABLE,
                passing=True,
            )
        found = {one.name: one for one in map(_found, entries) if one is not None}
        return tuple(found[name] for name in sorted(found))


def _way(account: ModelServer, values: Mapping[str, Secret], headers: Mapping[str, str]) -> dict[str, Any]:
    if not account.proxy:
        return {"headers": headers}
    if "username" not in values:
        return {"headers": headers, "proxy": account.proxy}
    user = aiohttp.encode_basic_auth(values["username"].reveal(), values["password"].reveal(), "utf-8")
    shown = {"Proxy-Authorization": user}
    # A tunnel is asked for with headers of its own; without one there is only the request, and the proxy takes it out.
    if account.url.startswith("https:"):
        return {"headers": headers, "proxy": account.proxy, "proxy_headers": shown}
    return {"headers": {**headers, **shown}, "proxy": account.proxy}


def _context(account: ModelServer) -> ssl.SSLContext:
    """For the server and the proxy alike: one connection has one."""
    try:
        context = ssl.create_default_context(cadata=account.ca_bundle or None)
        if account.proxy_ca_bundle:
            context.load_verify_locations(cadata=account.proxy_ca_bundle)
    except (ssl.SSLError, ValueError):
        raise Fault(
            "the CA bundle of its connection holds no certificate that can be read",
            reason=Reason.DISCOVERY_REFUSED,
            passing=False,
        ) from None
    return context


def _found(entry: object) -> FoundModel | None:
    """None for what is no model, or has a name that no manifest could say."""
    if not isinstance(entry, dict):
        return None
    name = entry.get("id")
    if not isinstance(name, str) or not 0 < len(name) <= _LONGEST_NAME or not name.isascii() or not _visible(name):
        return None
    return FoundModel(
        name=name,
        upstream=UpstreamModel(name),
        max_output_tokens=_count(entry.get("max_completion_tokens")),
        facts=_facts(entry),
    )


def _visible(name: str) -> bool:
    return name.isprintable() and " " not in name


def _facts(entry: Mapping[str, Any]) -> Facts:
    said: dict[str, bool] = {}
    parameters = entry.get("supported_parameters")
    if isinstance(parameters, list):
        said |= {fact: parameter in parameters for fact, parameter in _PARAMETERS.items()}
    architecture = entry.get("architecture")
    modalities = architecture.get("input_modalities") if isinstance(architecture, dict) else None
    if isinstance(modalities, list):
        said |= {fact: modality in modalities for fact, modality in _MODALITIES.items()}
    context = next((count for name in _CONTEXT if (count := _count(entry.get(name))) is not None), None)
    return msgspec.convert({**said, "context_tokens": context}, Facts)


def _count(value: object) -> int | None:
    return value if isinstance(value, int) and not isinstance(value, bool) and value > 0 else None
