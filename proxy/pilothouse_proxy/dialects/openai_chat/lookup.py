"""Which of the `rules` hold for a model."""

from functools import lru_cache
from typing import Final

from pilothouse_api.snapshot.providers import Model
from pilothouse_proxy.dialects.openai_chat.rules import ROWS, UNKNOWN, Rules

_FOUND_MAX: Final = 1_024
_found: Final[dict[str, Rules]] = {}
"""By the upstream name, where the manifest names no family."""


def rules(model: Model) -> Rules:
    """What is known of a model: by the family that the manifest names, else by the upstream name."""
    if model.family is not None:
        return _named(model.family, model.upstream)
    found = _found.get(model.upstream)
    if found is None:
        if len(_found) >= _FOUND_MAX:
            _found.clear()
        found = _found[model.upstream] = _row(_base_name(model.upstream)) or UNKNOWN
    return found


@lru_cache(maxsize=_FOUND_MAX)
def _named(family: str, upstream: str) -> Rules:
    return _row(_base_name(family)) or _row(_base_name(upstream)) or UNKNOWN


def _base_name(name: str) -> str:
    """`openai/gpt-4o` (routers, model servers) and `ft:gpt-4o:org::id` (fine-tuned) → `gpt-4o`."""
    return name.rpartition("/")[2].lower().removeprefix("ft:").partition(":")[0]


def _row(name: str) -> Rules | None:
    fitting = [prefix for prefix in ROWS if name.startswith(prefix) and _ends_a_word(prefix, name)]
    return ROWS[max(fitting, key=len)] if fitting else None


def _ends_a_word(prefix: str, name: str) -> bool:
    """`gpt-4` says nothing about `gpt-4o`, nor `o3` about `o30`; `qwen` does about `qwen3`."""
    following = name[len(prefix) : len(prefix) + 1]
    return not (following.isalpha() or (following.isdigit() and prefix[-1].isdigit()))
