"""Who calls: by signature or by API key, on either host."""

from __future__ import annotations

from tests.simulators.bedrock import bearer, policy, sigv4
from tests.simulators.controls import Controls
from tests.simulators.wire.server import Request

RUNTIME = sigv4.SERVICE
MANTLE = "bedrock-mantle"


def credential(
    controls: Controls, request: Request, *, model_id: str, operation: str, now: float, service: str = RUNTIME
) -> str | sigv4.Refusal:
    """The name of whoever may call the model, or why nobody may. `now` in Unix seconds, by the service's clock."""
    keys, region = controls.keys, controls.settings.region
    scheme, _, key = (request.header(b"authorization") or b"").decode("latin-1").partition(" ")
    by_api_key = scheme == "Bearer"
    if by_api_key:
        found = bearer.verify(key, long_term=keys.bedrock, keys=keys.signing, now=now, region=region)
        if isinstance(found, sigv4.Refusal) or not found.startswith(bearer.SHORT_TERM):
            return found
        signer = keys.signing[found.removeprefix(bearer.SHORT_TERM)]
    else:
        verified = sigv4.verify(request, keys=keys.signing, now=now, region=region, service=service)
        if isinstance(verified, sigv4.Refusal):
            return verified
        found, signer = verified.access_key_id, verified
    refused = policy.refusal(
        signer, model_id=model_id, operation=operation, region=region, by_api_key=by_api_key, service=service
    )
    return refused or found
