"""The one way in which Messages says no: a 400 that names the client's parameter, the family and what would do."""

from pilothouse_proxy.errors import GatewayError, Kind
from pilothouse_proxy.exchange.capabilities import Capabilities


def unsupported(caps: Capabilities, param: str, hint: str = "") -> GatewayError:
    """For what a model cannot honour."""
    whose = "this model" if caps.family == "unknown" else f"{caps.family} models"
    message = f"`{param}` is not supported by {whose}"
    return GatewayError(Kind.UNSUPPORTED, f"{message}: {hint}" if hint else message, param=param)


def invalid(param: str, message: str) -> GatewayError:
    """For what Messages takes in no such form."""
    return GatewayError(Kind.INVALID_REQUEST, message, param=param)
