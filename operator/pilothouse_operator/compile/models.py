"""The models of a provider: what its account has, what the manifest says of them, what is known of them at large."""

import functools
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from fnmatch import translate
from math import inf

import msgspec
import msgspec.structs

from pilothouse_api.names import UpstreamModel
from pilothouse_api.resources import urls
from pilothouse_api.resources.provider import (
    SHOWN_QUOTAS,
    DiscoverySpec,
    LLMProviderSpec,
    ModelCapabilities,
    ModelPrice,
    ProviderModel,
    Support,
)
from pilothouse_api.snapshot.facts import Facts, Price
from pilothouse_api.snapshot.providers import Model
from pilothouse_api.snapshot.settings import Settings
from pilothouse_operator.compile import settings
from pilothouse_operator.compile.discovered import UNKNOWN, UNTOLD, Catalogue, FoundModel

_CAPABILITIES = tuple(ModelCapabilities.model_fields)

MOST = 2_048
"""Models of one provider that are served: each costs every proxy some 2 KiB, and the snapshot 200 bytes."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Listing:
    """What became of the models that an account lists. `obstacles`: reason → how many are not served for it.

    `tightest`: SHOWN_QUOTAS at most of those that are served and have a quota, the smallest first.
    """

    found: int = 0
    served: int = 0
    excluded: int = 0
    obstacles: Mapping[str, int] = field(default_factory=dict)
    tightest: tuple[FoundModel, ...] = ()

    @property
    def unusable(self) -> int:
        """How many cannot be called."""
        return sum(self.obstacles.values())


@dataclass(frozen=True, slots=True, kw_only=True)
class Table:
    """By the provider's own names; `listing` where the account was listed."""

    models: dict[str, Model]
    listing: Listing | None = None


def table(spec: LLMProviderSpec, found: tuple[FoundModel, ...] | None, catalogue: Catalogue) -> Table:
    """What the manifest says counts more than what the account says, and that more than the catalogue."""
    place = _place(spec)
    listing: Listing | None = None
    usable: tuple[FoundModel, ...] = ()
    if found is not None and spec.discovery is not None:
        listing, usable = _chosen(spec.discovery, found)
    plain = settings.of_provider(spec)
    models = {one.name: _discovered(one, plain, place, catalogue) for one in usable}
    by_upstream = {one.upstream: one for one in reversed(usable)}
    by_name = {one.name: one for one in usable}
    for model in spec.models:
        upstream = model.upstream_model or model.name
        known = by_upstream.get(UpstreamModel(upstream)) or by_name.get(upstream)
        models[model.name] = _manifested(model, settings.of_model(model, spec), known, place, catalogue)
    return Table(models=models, listing=listing)


def _place(spec: LLMProviderSpec) -> str:
    """Where the models are, to the catalogue."""
    server = spec.openai or spec.anthropic
    return spec.kind.value if server is None else urls.normalised(server.base_url)


def _chosen(discovery: DiscoverySpec, found: tuple[FoundModel, ...]) -> tuple[Listing, tuple[FoundModel, ...]]:
    include, exclude = _pattern(discovery.include), _pattern(discovery.exclude)
    chosen: list[FoundModel] = []
    excluded, obstacles = 0, dict[str, int]()
    for one in found:
        if (include and not include.match(one.upstream)) or (exclude and exclude.match(one.upstream)):
            excluded += 1
        elif one.obstacle or len(chosen) == MOST:
            why = one.obstacle or f"a provider serves {MOST} at most: choose with include"
            obstacles[why] = obstacles.get(why, 0) + 1
        else:
            chosen.append(one)
    served = Listing(
        found=len(found), served=len(chosen), excluded=excluded, obstacles=obstacles, tightest=_tightest(chosen)
    )
    return served, tuple(chosen)


def _tightest(chosen: list[FoundModel]) -> tuple[FoundModel, ...]:
    """By tokens, which models mostly run out of first, then by requests; what nobody tells counts as endless."""

    def width(one: FoundModel) -> tuple[float, float, str]:
        tokens, requests = one.quota.tokens_per_minute, one.quota.requests_per_minute
        return (inf if tokens is None else tokens, inf if requests is None else requests, one.name)

    return tuple(sorted((one for one in chosen if one.quota != UNTOLD), key=width)[:SHOWN_QUOTAS])


@functools.lru_cache(maxsize=1024)
def _pattern(globs: tuple[str, ...]) -> re.Pattern[str] | None:
    return re.compile("|".join(translate(glob) for glob in globs)) if globs else None


def _discovered(one: FoundModel, chosen: Settings | None, place: str, catalogue: Catalogue) -> Model:
    return Model(
        upstream=one.upstream,
        family=one.base or None,
        facts=_known(merged(one.facts, catalogue(place, one.base or one.upstream))),
        settings=chosen,
    )


def _manifested(
    model: ProviderModel, chosen: Settings | None, known: FoundModel | None, place: str, catalogue: Catalogue
) -> Model:
    upstream = UpstreamModel(model.upstream_model or model.name)
    facts = _said(model.capabilities, model.price)
    if known is None:
        return Model(
            upstream=upstream,
            family=model.family,
            max_output_tokens=model.max_output_tokens,
            facts=_known(merged(facts, catalogue(place, upstream))),
            settings=chosen,
        )
    base = _discovered(known, chosen, place, catalogue)
    return Model(
        upstream=known.upstream,
        family=model.family or base.family,
        max_output_tokens=model.max_output_tokens,
        facts=_known(merged(facts, base.facts or UNKNOWN)),
        settings=chosen,
    )


def _known(facts: Facts) -> Facts | None:
    return None if facts is UNKNOWN or facts == UNKNOWN else facts


def _said(capabilities: ModelCapabilities | None, price: ModelPrice | None) -> Facts:
    if capabilities is None and price is None:
        return UNKNOWN
    members = {} if capabilities is None else {name: getattr(capabilities, name) for name in _CAPABILITIES}
    said = {
        name: value is Support.SUPPORTED if isinstance(value, Support) else value for name, value in members.items()
    }
    return msgspec.convert({**said, "price": None if price is None else _priced(price)}, Facts)


def _priced(price: ModelPrice) -> Price:
    """Six decimals of a dollar: what the field's pattern lets through, in whole millionths."""
    texts = {name: getattr(price, name) for name in ModelPrice.model_fields}
    return Price(**{name: int(Decimal(text) * 1_000_000) for name, text in texts.items() if text is not None})


def merged(first: Facts, second: Facts) -> Facts:
    """Member by member what the first knows, else what the second does; of a price likewise."""
    if second is UNKNOWN:
        return first
    return second if first is UNKNOWN else _merged(first, second)


@functools.lru_cache(maxsize=16_384)
def _merged(first: Facts, second: Facts) -> Facts:
    values = _filled(first, second)
    if first.price is not None and second.price is not None:
        values["price"] = msgspec.convert(_filled(first.price, second.price), Price)
    return msgspec.convert(values, Facts)


def _filled(first: msgspec.Struct, second: msgspec.Struct) -> dict[str, object]:
    values = msgspec.structs.asdict(second)
    values.update((name, value) for name, value in msgspec.structs.asdict(first).items() if value is not None)
    return values
