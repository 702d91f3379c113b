"""Names that must not be mixed up, as types."""

from typing import NewType

ModelName = NewType("ModelName", str)
"""The name a client asks for."""

UpstreamModel = NewType("UpstreamModel", str)
"""The provider's own name: model id, inference profile or deployment."""

ReportedModel = NewType("ReportedModel", str)
"""The model that a provider says has answered."""

ProviderKey = NewType("ProviderKey", str)
"""`namespace/name` of an LLMProvider."""

RouteKey = NewType("RouteKey", str)
"""`namespace/name` of a ModelRoute."""

QuotaKey = NewType("QuotaKey", str)
"""`namespace/name` of a UsageQuota."""

Scope = NewType("Scope", str)
"""Whose snapshot: `gateway` for a release's shared gateways, `sidecar/<namespace>` for the sidecars of a namespace."""

SnapshotVersion = NewType("SnapshotVersion", str)
"""`sha256:` and the hexadecimal hash of a snapshot's canonical bytes."""

GATEWAY_SCOPE = Scope("gateway")

GROUP = "pilothouse.dev"
API_VERSION = "pilothouse.dev/v1alpha1"
CALLER_AUDIENCE = "pilothouse"
"""Audience of the tokens that callers send to gateways."""
CONTROL_AUDIENCE = "control.pilothouse.dev"
"""Audience of the tokens that proxies send to the operator, so that a caller's token never fetches a snapshot."""


def sidecar_scope(namespace: str) -> Scope:
    """The scope of the sidecars in one namespace."""
    return Scope(f"sidecar/{namespace}")
