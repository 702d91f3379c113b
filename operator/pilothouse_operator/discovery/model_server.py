"""A server that speaks the OpenAI API: `GET {base}/models`.

https://platform.openai.com/docs/api-reference/models/list. OpenAI itself tells names alone; other servers tell more:
vLLM `max_model_len`, Groq `context_window` and `max_completion_tokens`, OpenRouter `context_length`, `architecture` and
`supported_parameters`.
"""

from collections.abc import Mapping
from typing import Any

import msgspec

from pilothouse_api.names import UpstreamModel
from pilothouse_api.secret import Secret
from pilothouse_api.snapshot.facts import Facts
from pilothouse_operator.compile.discovered import FoundModel, Listed
from pilothouse_operator.compile.identities import Account, ModelServer
from pilothouse_operator.discovery import servers

_CONTEXT = ("max_model_len", "context_window", "context_length")
_PARAMETERS = {"tools": "tools", "json_schema": "structured_outputs", "reasoning": "reasoning"}
_MODALITIES = {"vision": "image", "documents": "file", "audio": "audio"}


class ServedModels:
    """A `ports.Lister` for ModelServer. Each list takes connections of its own: it is asked for rarely."""

    async def models(self, account: Account, values: Mapping[str, Secret]) -> Listed:
        """Sorted by name. Raises Fault."""
        if not isinstance(account, ModelServer):
            raise TypeError(f"a {type(account).__name__} is no model server")
        headers = {"Authorization": f"Bearer {values['apiKey'].reveal()}"} if "apiKey" in values else {}
        async with servers.connected(account) as session:
            document = await servers.get(session, account, "/models", values=values, headers=headers)
        entries = document.get("data")
        if not isinstance(entries, list):
            raise servers.no_list(f"{account.url}/models", "OpenAI")
        found = {one.name: one for one in map(_found, entries) if one is not None}
        return Listed(models=tuple(found[name] for name in sorted(found)))


def _found(entry: object) -> FoundModel | None:
    """None for what is no model, or has a name that no manifest could say."""
    if not isinstance(entry, dict):
        return None
    name = servers.name(entry)
    if name is None:
        return None
    return FoundModel(name=name, upstream=UpstreamModel(name), facts=_facts(entry))


def _facts(entry: Mapping[str, Any]) -> Facts:
    said: dict[str, bool] = {}
    parameters = entry.get("supported_parameters")
    if isinstance(parameters, list):
        said |= {fact: parameter in parameters for fact, parameter in _PARAMETERS.items()}
    architecture = entry.get("architecture")
    modalities = architecture.get("input_modalities") if isinstance(architecture, dict) else None
    if isinstance(modalities, list):
        said |= {fact: modality in modalities for fact, modality in _MODALITIES.items()}
    contexts = (servers.count(entry.get(name)) for name in _CONTEXT)
    limits = {
        "context_tokens": next((count for count in contexts if count is not None), None),
        "max_output_tokens": servers.count(entry.get("max_completion_tokens")),
    }
    return msgspec.convert({**said, **limits}, Facts)
