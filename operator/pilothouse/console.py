"""What `pilothouse up` shows on the terminal: what is served, what changes, what is asked. Pure text."""

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import msgspec

from pilothouse_api.conditions import ConditionStatus, ConditionType
from pilothouse_api.snapshot.identity import Identity
from pilothouse_api.snapshot.quotas import Quota
from pilothouse_api.snapshot.routes import Route, Target
from pilothouse_api.snapshot.snapshot import Snapshot
from pilothouse_operator.compile.world import Kind, ResourceKey, Verdict

_FAULTS = (ConditionType.ACCEPTED, ConditionType.CREDENTIALS_READY, ConditionType.RESOLVED_REFS)


def targets(route: Route) -> str:
    """`50 % bedrock/claude, 50 % azure/gpt; then azure/gpt-4o`: shares within a priority, priorities in turn."""
    by_priority: dict[int, list[Target]] = {}
    for target in route.targets:
        by_priority.setdefault(target.priority, []).append(target)
    steps = []
    for _, step in sorted(by_priority.items()):
        total = sum(target.weight for target in step)
        shared = len([target for target in step if target.weight]) > 1
        spare = [f"{_target(target)} as a spare" for target in step if not target.weight and total]
        names = [f"{_share(target.weight, total)} {_target(target)}" for target in step if target.weight and shared]
        names += [_target(target) for target in step if not shared and (target.weight or not total)]
        steps.append(", ".join(names + spare))
    return "; then ".join(steps) or "no target that can be used"


def _share(weight: int, total: int) -> str:
    return f"{100 * weight / total:.0f} %"


def _target(target: Target) -> str:
    provider = target.provider.partition("/")[2]
    return f"{provider}/{target.model}" if target.model else provider


def served(snapshot: Snapshot) -> list[str]:
    """A table of models, routes and targets, then the quotas."""
    rows = [(", ".join(route.models), key, targets(route)) for key, route in sorted(snapshot.routes.items())]
    if not rows:
        return ["  no model yet: add a ModelRoute, it is live as soon as it is saved"]
    widths = [max(len(row[column]) for row in [("model", "route", ""), *rows]) for column in (0, 1)]
    table = [
        f"  {model:<{widths[0]}}  {route:<{widths[1]}}  {where}"
        for model, route, where in [("model", "route", "targets"), *rows]
    ]
    return table + [f"  quota {key}: {_quota(quota)}" for key, quota in sorted(snapshot.quotas.items())]


def _quota(quota: Quota) -> str:
    limits = ", ".join(f"{limit.amount} {limit.resource.value} in {limit.window}" for limit in quota.limits)
    return f"{limits}, per {quota.per.value}"


def callers(identity: Identity) -> str:
    """Who may call."""
    keys = len(identity.api_keys)
    with_keys = f"{keys} API key{'' if keys == 1 else 's'}" if keys else ""
    if identity.anonymous is not None:
        caller = f"anybody on this machine, as {identity.anonymous.namespace}/{identity.anonymous.user}"
        return f"{caller}; {with_keys}" if with_keys else caller
    return with_keys or (
        "nobody yet: this address can be reached from outside, so callers need a key. Add a Secret with the label "
        "pilothouse.dev/type: api-key and the key under `key`"
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """Where to see an edit work: the line of a route, its model and the address."""

    file: str
    model: str
    url: str
    key_needed: bool


def things_to_try(place: Place) -> list[str]:
    """curl, the OpenAI SDK, and an edit."""
    key = "$PILOTHOUSE_KEY" if place.key_needed else "none"
    header = f" -H 'authorization: Bearer '{key}" if place.key_needed else ""
    body = json.dumps({"model": place.model, "messages": [{"role": "user", "content": "Hello!"}]})
    python_key = 'os.environ["PILOTHOUSE_KEY"]' if place.key_needed else '"none"'
    imports = "import os, openai" if place.key_needed else "import openai"
    return [
        f"  1. curl {place.url}/chat/completions -H 'content-type: application/json'{header} -d '{body}'",
        f"  2. {imports}",
        f'     client = openai.OpenAI(base_url="{place.url}", api_key={python_key})',
        f'     for chunk in client.chat.completions.create(model="{place.model}", stream=True,',
        '                                                 messages=[{"role": "user", "content": "Hello!"}]):',
        '         print(chunk.choices[0].delta.content or "" if chunk.choices else "", end="", flush=True)',
        f"  3. edit a weight in {place.file}, save, call again: the traffic moves at once, and this terminal says so",
    ]


def changes(before: Snapshot, after: Snapshot) -> dict[ResourceKey, str]:
    """What an edit did, by resource, in one line each."""
    found: dict[ResourceKey, str] = {}
    for key in before.routes.keys() | after.routes.keys():
        old, new = before.routes.get(key), after.routes.get(key)
        # Its age among the others moves when these come and go: nobody edited it.
        if _ageless(old) != _ageless(new):
            found[_key(Kind.ROUTE, key)] = f"route {key}: {_route_change(old, new)}"
    for provider in before.providers.keys() | after.providers.keys():
        old_entry, new_entry = (
            (it.providers.get(provider), it.credentials.get(provider), it.proxy_credentials.get(provider))
            for it in (before, after)
        )
        if old_entry != new_entry:
            what = _presence(old_entry[0], new_entry[0])
            if not what:
                what = "changed" if old_entry[0] != new_entry[0] else "signs in with a new credential"
            found[_key(Kind.PROVIDER, provider)] = f"provider {provider}: {what}"
    for quota in before.quotas.keys() | after.quotas.keys():
        old_quota, new_quota = before.quotas.get(quota), after.quotas.get(quota)
        if old_quota != new_quota:
            what = _presence(old_quota, new_quota) or (_quota(new_quota) if new_quota else "")
            found[_key(Kind.QUOTA, quota)] = f"quota {quota}: {what}"
    return found


def _route_change(old: Route | None, new: Route | None) -> str:
    if old is None or new is None:
        return _presence(old, new) + (f", {', '.join(new.models)} → {targets(new)}" if new else "")
    parts = []
    if old.models != new.models:
        parts.append(f"models {', '.join(old.models)} → {', '.join(new.models)}")
    weights_before = {_target(target): target.weight for target in old.targets}
    weights_after = {_target(target): target.weight for target in new.targets}
    if weights_before.keys() == weights_after.keys():
        parts += [
            f"{name} {weight}→{weights_after[name]}"
            for name, weight in weights_before.items()
            if weight != weights_after[name]
        ]
    elif old.targets != new.targets:
        parts.append(f"targets {targets(old)} → {targets(new)}")
    return ", ".join(parts) or "changed"


def _ageless(route: Route | None) -> Route | None:
    return None if route is None else msgspec.structs.replace(route, created="")


def _presence(old: object, new: object) -> str:
    if old is None:
        return "added"
    return "removed" if new is None else ""


def _key(kind: Kind, joined: str) -> ResourceKey:
    namespace, _, name = joined.partition("/")
    return ResourceKey(kind, namespace, name)


def faults(verdicts: Mapping[ResourceKey, Verdict]) -> dict[ResourceKey, tuple[str, ...]]:
    """What keeps each resource from working, in its own words."""
    found = {
        key: tuple(
            f"{condition.reason.value}: {condition.message}"
            for condition in verdict.conditions
            if condition.type in _FAULTS and condition.status is ConditionStatus.FALSE
        )
        for key, verdict in verdicts.items()
    }
    return {key: messages for key, messages in found.items() if messages}


def request_line(line: Mapping[str, Any]) -> str:
    """One request from the proxy's JSON access log."""
    parts = [str(line.get("status", "")), str(line.get("model") or line.get("path", ""))]
    if line.get("provider"):
        provider = str(line["provider"]).partition("/")[2] or str(line["provider"])
        parts.append(f"→ {provider}/{line.get('upstream_model', '')}")
    parts.append(f"{float(line.get('duration_ms', 0)):.0f} ms")
    if line.get("stream"):
        first = line.get("first_byte_ms")
        parts.append(f"streamed, first byte {float(first):.0f} ms" if first is not None else "streamed")
    if line.get("input_tokens") is not None or line.get("output_tokens") is not None:
        about = "~" if line.get("tokens_estimated") else ""
        parts.append(f"{about}{line.get('input_tokens') or 0}+{line.get('output_tokens') or 0} tokens")
    if int(line.get("attempts") or 0) > 1:
        parts.append(f"{line['attempts']} attempts")
    if line.get("subject", "anonymous") != "anonymous":
        parts.append(f"by {line['subject']}")
    if line.get("error"):
        parts.append(f"{line['error']} ({line['param']})" if line.get("param") else str(line["error"]))
    # The note says what each attempt met: of a single one without details, the error has said it already.
    if line.get("note") and line["note"] != f"{line.get('provider')}: {line.get('error')}":
        parts.append(str(line["note"]))
    return _plain("  ".join(part for part in parts if part))


def _plain(text: str) -> str:
    """Names of models and paths are the callers' own words: they must not steer the terminal."""
    return text if text.isprintable() else "".join(letter if letter.isprintable() else "?" for letter in text)


def bulleted(lines: Iterable[str]) -> list[str]:
    """Problems, one a line."""
    return [f"  ! {line}" for line in lines]


def route(namespace: str, name: str) -> ResourceKey:
    """Names a ModelRoute."""
    return ResourceKey(Kind.ROUTE, namespace, name)
