"""Azure OpenAI's paths.

v1      {url}/openai/v1/{operation}                                       the body's `model` is the deployment
dated   {url}/openai/deployments/{deployment}/{operation}?api-version=…   the path names the deployment
"""

from functools import lru_cache
from urllib.parse import quote

from pilothouse_api.names import UpstreamModel
from pilothouse_proxy.errors import GatewayError, Kind

V1 = "v1"
_FIRST_METERED = "2024-09-01"
"""The first dated version that knows `stream_options` and `max_completion_tokens`; older ones answer 400 to both.
Dates compare as text."""


def meters_streams(api_version: str) -> bool:
    """Whether a stream can be asked for its usage, and the output be limited by the newer name.

    https://learn.microsoft.com/azure/foundry/openai/api-version-lifecycle
    """
    return api_version == V1 or api_version >= _FIRST_METERED


@lru_cache(maxsize=512)
def target(base: str, api_version: str, deployment: UpstreamModel, operation: str) -> bytes:
    """Path and query of an operation on a deployment, below the path of the endpoint (usually empty).

    Raises:
        GatewayError: MODEL_NOT_FOUND for a name that would be no path segment of its own (empty, `.`, `..`).
    """
    if api_version == V1:
        return f"{base}/openai/v1/{operation}".encode("ascii")
    if deployment in {"", ".", ".."}:
        raise GatewayError(Kind.MODEL_NOT_FOUND, f"{deployment!r} is no deployment of Azure OpenAI")
    path = f"{base}/openai/deployments/{quote(deployment, safe='')}/{operation}"
    return f"{path}?api-version={quote(api_version, safe='')}".encode("ascii")
