"""A server that speaks Anthropic's API: `GET {base}/v1/models`, page by page.

https://platform.claude.com/docs/en/api/models/list. It tells what a model takes; what a server leaves out
stays unknown.
"""

from collections.abc import Mapping
from typing import Any
from urllib.parse import quote

import msgspec

from pilothouse_api.names import UpstreamModel
from pilothouse_api.secret import Secret
from pilothouse_api.snapshot.facts import Facts
from pilothouse_operator.compile.discovered import FoundModel, Listed
from pilothouse_operator.compile.identities import Account, AnthropicServer
from pilothouse_operator.discovery import servers

_VERSION = {"anthropic-version": "2023-06-01"}
_PATH = "/v1/models"
_PAGE = 1_000
_MOST_PAGES = 32
# https://platform.claude.com/docs/en/api/models: `capabilities`.
_CAPABILITIES = {
    "vision": "image_input",
    "documents": "pdf_input",
    "json_schema": "structured_outputs",
    "reasoning": "thinking",
}


class ClaudeModels:
    """A `ports.Lister` for AnthropicServer."""

    async def models(self, account: Account, values: Mapping[str, Secret]) -> Listed:
        """Sorted by name. Raises Fault."""
        if not isinstance(account, AnthropicServer):
            raise TypeError(f"a {type(account).__name__} does not speak Anthropic's API")
        headers = {**_VERSION, "x-api-key": values["apiKey"].reveal()} if "apiKey" in values else dict(_VERSION)
        found: dict[str, FoundModel] = {}
        target = f"{_PATH}?limit={_PAGE}"
        async with servers.connected(account) as session:
            for _ in range(_MOST_PAGES):
                page = await servers.get(session, account, target, values=values, headers=headers)
                entries = page.get("data")
                if not isinstance(entries, list):
                    break
                found.update({one.name: one for one in map(_found, entries) if one is not None})
                last = page.get("last_id")
                if page.get("has_more") is not True:
                    return Listed(models=tuple(found[name] for name in sorted(found)))
                if not isinstance(last, str):
                    break
                target = f"{_PATH}?limit={_PAGE}&after_id={quote(last, safe='')}"
        raise servers.no_list(f"{account.url}{_PATH}", "Anthropic")


def _found(entry: object) -> FoundModel | None:
    """None for what is no model, or has a name that no manifest could say."""
    if not isinstance(entry, dict):
        return None
    name = servers.name(entry)
    if name is None:
        return None
    # One that is deprecated is called as before by who calls it already.
    retired = entry.get("lifecycle") == "retired"
    return FoundModel(
        name=name, upstream=UpstreamModel(name), facts=_facts(entry), obstacle="it is retired" if retired else ""
    )


def _facts(entry: Mapping[str, Any]) -> Facts:
    told = entry.get("capabilities")
    said = {fact: _supported(told.get(name)) for fact, name in _CAPABILITIES.items()} if isinstance(told, dict) else {}
    limits = {
        "context_tokens": servers.count(entry.get("max_input_tokens")),
        "max_output_tokens": servers.count(entry.get("max_tokens")),
    }
    return msgspec.convert({**said, **limits}, Facts)


def _supported(capability: object) -> bool | None:
    supported = capability.get("supported") if isinstance(capability, dict) else None
    return supported if isinstance(supported, bool) else None
