"""Models that answer to Responses alone: chat completions reach them by translation.

Sources: "Azure OpenAI reasoning models" (learn.microsoft.com/azure/ai-foundry/openai/how-to/reasoning) and the model
pages of OpenAI's API reference ("Endpoints").
"""

import re
from functools import lru_cache

from pilothouse_api.snapshot.providers import Model
from pilothouse_proxy.operations import WRITING, Operation

_FAMILIES = (
    r"gpt-5(\.[0-9]+)?-codex(-max|-mini)?",
    r"gpt-5(\.[0-9]+)?-pro",
    r"o[1-9]-pro",
    r"codex-mini(-latest)?",
    r"o[1-9](-mini)?-deep-research",
)
_ONLY = re.compile(
    rf"(openai[/.])?({'|'.join(_FAMILIES)})(-preview)?(-[0-9]{{4}}-[0-9]{{2}}-[0-9]{{2}})?", re.IGNORECASE
)


def serves(operation: Operation, model: Model) -> bool:
    """Whether a provider that has responses is asked for one: the client wants it, or the model has nothing else."""
    if operation is Operation.RESPONSES:
        return True
    return operation in WRITING and answers_nothing_else(model.family or model.upstream)


@lru_cache(maxsize=512)
def answers_nothing_else(name: str) -> bool:
    """Whether a model of this name, or family, has no other API."""
    return _ONLY.fullmatch(name) is not None
