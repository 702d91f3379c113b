"""The one way in which this dialect says no: a 400 that names the parameter, the family and what would do."""

from pilothouse_proxy.dialects.openai_chat.rules import Rules
from pilothouse_proxy.errors import GatewayError, Kind


def unsupported(rules: Rules, param: str, hint: str = "") -> GatewayError:
    """For what a model cannot honour."""
    whose = "this model" if rules.family == "unknown" else f"{rules.family} models"
    message = f"`{param}` is not supported by {whose} through chat completions"
    return GatewayError(Kind.UNSUPPORTED, f"{message}: {hint}" if hint else message, param=param)
