"""The one way in which these dialects say no: a 400 that names the parameter, the family and what would do."""

from pilothouse_proxy.dialects.bedrock_invoke.rows import Row
from pilothouse_proxy.errors import GatewayError, Kind


def unsupported(row: Row, param: str, hint: str = "") -> GatewayError:
    """For what a family cannot say in its own body."""
    message = f"`{param}` is not supported by {row.name} models on Amazon Bedrock"
    return GatewayError(Kind.UNSUPPORTED, f"{message}: {hint}" if hint else message, param=param)


def invalid(param: str, message: str) -> GatewayError:
    """For what no model on Bedrock takes in this form."""
    return GatewayError(Kind.INVALID_REQUEST, message, param=param)
