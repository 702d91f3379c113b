"""What content filters have found, in one form: Azure's filters and Bedrock's guardrails look alike to whoever asks.

Never the text that was found: a finding may be logged.
"""

import enum

import msgspec


class Stage(enum.StrEnum):
    """What was judged."""

    PROMPT = "prompt"
    COMPLETION = "completion"


class Severity(enum.StrEnum):
    """How bad it is, for categories that are graded."""

    SAFE = "safe"
    LOW = "low"
    MEDIUM = "medium"
    HIGH = "high"


class Finding(msgspec.Struct, frozen=True, kw_only=True):
    """One category's judgement.

    `category` is Azure's name where it has one (`hate`, `self_harm`, `sexual`, `violence`, `jailbreak`, `profanity`,
    `indirect_attack`, `personally_identifiable_information`, …), else the provider's in snake case. A category is
    graded (`severity`) or found or not (`detected`); what the provider does not tell is None.
    """

    stage: Stage
    category: str
    filtered: bool
    """Whether the text was held back or replaced for it."""
    severity: Severity | None = None
    detected: bool | None = None
