"""From an account to a snapshot: what it has is served, and what it gets is served without an edit."""

from __future__ import annotations

from pathlib import Path

from pilothouse_api.names import GATEWAY_SCOPE, ProviderKey
from pilothouse_api.snapshot.providers import Provider
from pilothouse_operator.compile.world import Kind, ResourceKey
from tests.integration.operator.control import Replica, replica, until
from tests.simulators import credentials
from tests.simulators.fleet import Simulators
from tests.simulators.models import OpenAIModel

ACCOUNTS = """
apiVersion: v1
kind: Secret
metadata: {name: keys}
stringData: {id: KEY_ID, secret: KEY_SECRET, openai: OPENAI_KEY, anthropic: CLAUDE_KEY}
---
apiVersion: pilothouse.dev/v1alpha1
kind: LLMProvider
metadata: {name: aws}
spec:
  bedrock:
    region: us-east-1
    endpoint: BEDROCK
    controlEndpoint: BEDROCK
    auth:
      accessKey:
        accessKeyId: {secretKeyRef: {name: keys, key: id}}
        secretAccessKey: {secretKeyRef: {name: keys, key: secret}}
  discovery: {include: ["*.anthropic.*"]}
---
apiVersion: pilothouse.dev/v1alpha1
kind: LLMProvider
metadata: {name: plain}
spec:
  openAI:
    baseURL: OPENAI
    auth: {apiKey: {secretKeyRef: {name: keys, key: openai}}}
  discovery: {include: ["gpt-4*", "o4*"]}
  models: [{name: fast, upstreamModel: gpt-4o-mini}]
---
apiVersion: pilothouse.dev/v1alpha1
kind: LLMProvider
metadata: {name: claude}
spec:
  anthropic:
    baseURL: ANTHROPIC
    auth: {apiKey: {secretKeyRef: {name: keys, key: anthropic}}}
  discovery: {exclude: ["*haiku*"]}
---
apiVersion: pilothouse.dev/v1alpha1
kind: ModelRoute
metadata: {name: all}
spec:
  models: ["*"]
  targets: [{providerRef: {name: plain}}, {providerRef: {name: aws}}, {providerRef: {name: claude}}]
"""
SECOND_KEY = "sk-simulator-second-0000000000000000000"


def write(root: Path, simulators: Simulators, *, key: str = credentials.OPENAI_API_KEY) -> None:
    text = ACCOUNTS
    for name, value in {
        "KEY_ID": credentials.ACCESS_KEY_ID,
        "KEY_SECRET": credentials.SECRET_ACCESS_KEY,
        "OPENAI_KEY": key,
        "BEDROCK": simulators.bedrock_url,
        "OPENAI": simulators.openai_url,
        "CLAUDE_KEY": credentials.ANTHROPIC_API_KEY,
        "ANTHROPIC": simulators.anthropic_url,
    }.items():
        text = text.replace(name, value)
    (root / "accounts.yaml").write_text(text)


def provider(core: Replica, name: str) -> Provider | None:
    history = core.hub.histories.get(GATEWAY_SCOPE)
    snapshot = history.snapshot if history else None
    return snapshot.providers.get(ProviderKey(f"default/{name}")) if snapshot else None


async def test_the_first_snapshot_has_what_the_accounts_have(tmp_path: Path, simulators: Simulators) -> None:
    write(tmp_path, simulators)
    async with replica(tmp_path) as core:
        await until(lambda: provider(core, "aws"))
        aws, plain, claude = provider(core, "aws"), provider(core, "plain"), provider(core, "claude")
        await until(lambda: core.shown.observations)
        verdict = core.shown.observations[-1].verdicts[ResourceKey(Kind.PROVIDER, "default", "aws")]
    assert aws is not None and plain is not None and claude is not None
    assert not aws.unlisted
    assert "eu.anthropic.claude-haiku-4-5-20251001-v1:0" in aws.models
    assert all(".anthropic." in name for name in aws.models)
    assert sorted(plain.models) == ["fast", "gpt-4o", "gpt-4o-mini", "o4-mini"]
    assert sorted(claude.models) == ["claude-opus-4-7", "claude-sonnet-4-6", "claude-sonnet-5-5"]
    listed = verdict.facts["discovery"]
    assert listed["served"] == len(aws.models)
    assert "lastSucceeded" in listed
    assert listed["quotas"][0] == {
        "model": "eu.anthropic.claude-sonnet-4-5-20250929-v1:0",
        "requestsPerMinute": 200,
        "tokensPerMinute": 200_000,
    }


async def test_a_model_that_the_account_gets_is_served_with_the_next_list(
    tmp_path: Path, simulators: Simulators
) -> None:
    """The next list comes at once here because the key is rotated; its interval is a matter of the unit tests."""
    write(tmp_path, simulators)
    async with replica(tmp_path) as core:
        await until(lambda: provider(core, "plain"))
        simulators.controls.models.openai["gpt-4-new"] = OpenAIModel(
            id="gpt-4-new", reported="new", context_window=8_000
        )
        simulators.controls.keys.openai[SECOND_KEY] = "second"
        write(tmp_path, simulators, key=SECOND_KEY)
        await until(lambda: "gpt-4-new" in (provider(core, "plain") or plain_of_nothing()).models)


async def test_an_account_that_is_taken_away_leaves_what_it_had(tmp_path: Path, simulators: Simulators) -> None:
    write(tmp_path, simulators)
    key = ResourceKey(Kind.PROVIDER, "default", "plain")
    async with replica(tmp_path) as core:
        await until(lambda: provider(core, "plain"))
        write(tmp_path, simulators, key="sk-simulator-nobody-00000000000000000000")
        await until(
            lambda: any(
                it.reason.value == "DiscoveryRefused"
                for shown in core.shown.observations[-1:]
                for it in shown.verdicts[key].conditions
            )
        )
        kept = provider(core, "plain")
        assert kept is not None
        assert "gpt-4o" in kept.models


def plain_of_nothing() -> Provider:
    """In place of a provider that is in no snapshot."""
    from pilothouse_api.snapshot.endpoints.openai import OpenAIEndpoint

    return Provider(endpoint=OpenAIEndpoint(url="http://x"))
