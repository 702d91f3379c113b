"""Which of the account's quotas are of which model of Bedrock: by their names, which nobody promises to keep. Pure.

https://docs.aws.amazon.com/servicequotas/2019-06-24/apireference/API_ListServiceQuotas.html tells of no model's id,
only texts such as "Cross-region model inference tokens per minute for Anthropic Claude Sonnet 4.5 V1". What no found
model matches is dropped, and a model that nothing matches has no quota that is known.
"""

import enum
import math
import re
from collections.abc import Iterable, Mapping
from typing import Any

from pilothouse_operator.compile.discovered import UNTOLD, Quota

_LARGEST = 2**53


class Way(enum.Enum):
    """How a model is called, each with a quota of its own."""

    ON_DEMAND = "on-demand"
    CROSS_REGION = "cross-region"
    GLOBAL = "global cross-region"


Quotas = Mapping[tuple[Way, str], Quota]
"""By the words of the model's name."""

_NAME = re.compile(
    r"(on-demand|cross-region|global cross-region) model inference (requests|tokens) per minute for (.+)",
    re.IGNORECASE,
)
_WORD = re.compile(r"[a-z]+|\d+")
_FIRST_VERSION = re.compile(r" v 1$")
# What an id has beyond the name: a date, the first version in its form `-1:0`, and what follows a version (`:0:48k`).
_BEYOND = re.compile(r"-\d{8}(?=[-:]|$)|-1(?=:)|:.*$")


def read(entries: Iterable[Mapping[str, Any]]) -> Quotas:
    """Of the entries of ListServiceQuotas; of two by one name the smaller."""
    found: dict[tuple[Way, str], dict[str, int]] = {}
    for entry in entries:
        name = _NAME.fullmatch(str(entry.get("QuotaName", "")))
        value = _whole(entry.get("Value"))
        if name is None or value is None:
            continue
        told = found.setdefault((Way(name[1].lower()), _words(name[3])), {})
        member = f"{name[2].lower()}_per_minute"
        told[member] = min(value, told.get(member, value))
    return {key: Quota(**told) for key, told in found.items()}


def of(quotas: Quotas, way: Way, summary: Mapping[str, Any]) -> Quota:
    """That of the foundation model of this summary (ListFoundationModels) when it is called in this way."""
    for name in _names(summary):
        if (way, name) in quotas:
            return quotas[way, name]
    return UNTOLD


def way(profile: str, base: str) -> Way:
    """In which one of AWS's own inference profiles calls `base`: its id begins with the geography."""
    return Way.GLOBAL if profile == f"global.{base}" else Way.CROSS_REGION


def _names(summary: Mapping[str, Any]) -> Iterable[str]:
    """What a quota may call it: its maker and name, its name alone, its id without a date and the first version."""
    name, maker = str(summary.get("modelName", "")), str(summary.get("providerName", ""))
    model = str(summary.get("modelId", ""))
    dated = _BEYOND.sub("", model)
    return [_words(text) for text in (f"{maker} {name}", name, dated) if text.strip()]


def _words(text: str) -> str:
    """`Claude 3.5 Sonnet V1` and `claude-3-5-sonnet` → `claude 3 5 sonnet`; of versions only the first goes without."""
    return _FIRST_VERSION.sub("", " ".join(_WORD.findall(text.lower())))


def _whole(value: object) -> int | None:
    """Quotas are doubles."""
    if not isinstance(value, int | float) or not math.isfinite(value) or value < 0:
        return None
    return min(int(value), _LARGEST)
