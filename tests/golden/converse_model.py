"""AWS's own description of Converse and InvokeModel, as botocore carries it: what it refuses, Bedrock refuses."""

import base64
import re
from typing import Any

import botocore.session
from botocore.model import ListShape, MapShape, Shape, StructureShape
from botocore.validate import ParamValidator

_SERVICE = botocore.session.get_session().get_service_model("bedrock-runtime")


def problems_of_request(body: dict[str, Any], model_id: str) -> str:
    """Everything in a Converse body that breaks the service model; empty if nothing does."""
    streamed = "streamProcessingMode" in body.get("guardrailConfig", {})
    shape = _SERVICE.operation_model("ConverseStream" if streamed else "Converse").input_shape
    params = _typed(shape, {"modelId": model_id, **body})
    return str(ParamValidator().validate(params, shape).generate_report()) + "; ".join(_unfit(shape, params, ""))


def problems_of_count(body: dict[str, Any], model_id: str) -> str:
    """The same of a body of CountTokens."""
    shape = _SERVICE.operation_model("CountTokens").input_shape
    params = _typed(shape, {"modelId": model_id, **body})
    return str(ParamValidator().validate(params, shape).generate_report()) + "; ".join(_unfit(shape, params, ""))


def problems_of_invocation(body: bytes, model_id: str) -> str:
    """Everything in an InvokeModel that breaks the service model."""
    shape = _SERVICE.operation_model("InvokeModel").input_shape
    params = {"modelId": model_id, "body": body, "accept": "application/json", "contentType": "application/json"}
    return str(ParamValidator().validate(params, shape).generate_report()) + "; ".join(_unfit(shape, params, ""))


def problems_of_reply(body: dict[str, Any]) -> str:
    """Everything in an answer of Converse that breaks the service model."""
    shape = _SERVICE.operation_model("Converse").output_shape
    params = _typed(shape, body)
    return str(ParamValidator().validate(params, shape).generate_report())


def problems_of_event(name: str, payload: dict[str, Any]) -> str:
    """Everything in an event of ConverseStream that breaks the service model."""
    events = _SERVICE.operation_model("ConverseStream").output_shape.members["stream"]
    shape = events.members[name]
    return str(ParamValidator().validate(_typed(shape, payload), shape).generate_report())


def _typed(shape: Shape, value: Any) -> Any:
    """JSON as the SDK's users write it: binary values are bytes, not base64."""
    if shape.type_name == "blob":
        return base64.b64decode(value, validate=True)
    if getattr(shape, "is_document_type", False):
        return value
    if isinstance(shape, StructureShape) and isinstance(value, dict):
        return {
            key: _typed(shape.members[key], member) if key in shape.members else member for key, member in value.items()
        }
    if isinstance(shape, ListShape) and isinstance(value, list):
        return [_typed(shape.member, element) for element in value]
    if isinstance(shape, MapShape) and isinstance(value, dict):
        return {key: _typed(shape.value, member) for key, member in value.items()}
    return value


def _unfit(shape: Shape, value: Any, path: str) -> list[str]:
    """What `ParamValidator` leaves to the service: enumerations, patterns, upper bounds, unions of one."""
    found: list[str] = []
    if getattr(shape, "is_document_type", False):
        return found
    if isinstance(shape, StructureShape):
        if shape.metadata.get("union") and len(value) != 1:
            found.append(f"{path}: a union with {len(value)} members")
        for key, member in value.items():
            found += _unfit(shape.members[key], member, f"{path}.{key}")
    elif isinstance(shape, ListShape):
        for at, element in enumerate(value):
            found += _unfit(shape.member, element, f"{path}[{at}]")
    elif isinstance(value, str):
        if shape.enum and value not in shape.enum:
            found.append(f"{path}: {value!r} is not one of {shape.enum}")
        pattern = shape.metadata.get("pattern")
        if pattern and not re.fullmatch(pattern, value):
            found.append(f"{path}: {value!r} does not fit {pattern}")
    length = value if isinstance(value, int | float) else len(value) if isinstance(value, str | bytes | list | dict) else 0
    if length > shape.metadata.get("max", length):
        found.append(f"{path}: over {shape.metadata['max']}")
    return found
