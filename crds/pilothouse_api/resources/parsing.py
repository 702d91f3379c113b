"""From a raw spec to a typed one, or to what is wrong with it."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

from pydantic import ValidationError
from pydantic_core import ErrorDetails

from pilothouse_api.conditions import Problem, Reason
from pilothouse_api.resources import aws, durations, entra, refs, secret_values, urls
from pilothouse_api.resources.rules import ERROR_TYPE, Part

PartT = TypeVar("PartT", bound=Part)

# pydantic's error types (docs.pydantic.dev/latest/errors/validation_errors) in the words of a manifest. Messages never
# hold the value: somebody may have put a key where a reference belongs.
_MESSAGES = {
    "missing": "is required",
    "extra_forbidden": "is not a known field",
    "string_type": "must be text",
    "int_type": "must be a whole number",
    "tuple_type": "must be a list",
    "dict_type": "must be an object",
    "mapping_type": "must be an object",
    "model_type": "must be an object",
    "model_attributes_type": "must be an object",
    "enum": "must be {expected}",
    "string_pattern_mismatch": "must match {pattern}",
    "string_too_short": "must have at least {min_length} characters",
    "string_too_long": "must have at most {max_length} characters",
    "too_short": "must have {min_length} or more entries",
    "too_long": "must have at most {max_length} entries",
    "greater_than_equal": "must be at least {ge}",
    "less_than_equal": "must be at most {le}",
    ERROR_TYPE: "{message}",
}


# Patterns in words, for those that are hard to read or easy to miss.
_FORMS = {
    urls.URL_PATTERN: "must be an http or https URL without user, query and fragment, such as https://example.com/v1",
    urls.PROXY_PATTERN: "must be an http or https URL that ends with the host or port, such as http://proxy:3128",
    durations.DURATION_PATTERN: "must be a duration of whole numbers with ms, s, m or h, such as 500ms or 1m30s",
    durations.WINDOW_PATTERN: "must be a whole number with m, h or d, such as 1m, 24h or 30d",
    refs.SUBDOMAIN: "must be lower-case letters, digits, '-' and '.'",
    refs.LABEL: "must be lower-case letters, digits and '-'",
    refs.DATA_KEY: "must be letters, digits, '-', '_' and '.'",
    refs.MODEL: "must be ASCII characters without spaces and without '*'",
    refs.MODELS: "must be ASCII characters without spaces, and '*' only at the end",
    refs.VISIBLE: "must be ASCII characters without spaces",
    aws.REGION: "must be an AWS region, such as eu-central-1",
    aws.ROLE_ARN: "must be the ARN of a role, such as arn:aws:iam::111122223333:role/bedrock",
    aws.EXTERNAL_ID: "must be ASCII letters, digits and any of _+=,.@:/-",
    entra.GUID: "must be a GUID, such as 00000000-0000-0000-0000-000000000000",
    entra.TENANT: "must be a tenant's id or domain",
    secret_values.KEY_VAULT_VERSION: "must be 32 hexadecimal digits in lower case",
    secret_values.KEY_VAULT_URL: "must be an https URL that ends with the host, such as https://contoso.vault.azure.net",
    secret_values.VAULT_PATH: "must be a path such as team-a/openai, without a slash at either end",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Parsed(Generic[PartT]):
    """`ignored` are the paths of fields that this version does not know, perhaps of a newer CRD."""

    spec: PartT
    ignored: tuple[str, ...] = ()


def field_path(location: tuple[int | str, ...]) -> str:
    """`("targets", 1, "weight")` → `spec.targets[1].weight`."""
    return "spec" + "".join(f"[{step}]" if isinstance(step, int) else f".{step}" for step in location)


def parse(kind: type[PartT], spec: Mapping[str, Any]) -> Parsed[PartT] | tuple[Problem, ...]:
    """The spec as `kind`, or every problem that it has (reason Invalid), in the order of its fields.

    An unknown field is no problem: it is ignored and named. An unknown value of a known field is one.
    """
    try:
        return Parsed(spec=kind.model_validate(spec))
    except ValidationError as error:
        details = error.errors(include_url=False, include_input=False)
    unknown = tuple(field_path(detail["loc"]) for detail in details if detail["type"] == "extra_forbidden")
    problems = tuple(_problem(detail) for detail in details if not _is_echo(detail, details))
    if problems:
        return problems
    # Rules of an object run only once its fields are right: the unknown ones must be out of the way.
    try:
        return Parsed(spec=kind.model_validate(spec, extra="ignore"), ignored=unknown)
    except ValidationError as error:
        details = error.errors(include_url=False, include_input=False)
        return tuple(_problem(detail) for detail in details if not _is_echo(detail, details))


def _is_echo(detail: ErrorDetails, details: list[ErrorDetails]) -> bool:
    """Whether it only follows from others: a list counts as too short when none of its entries is right."""
    if detail["type"] == "extra_forbidden":
        return True
    at = detail["loc"]
    return detail["type"] == "too_short" and any(
        other["loc"][: len(at)] == at and len(other["loc"]) > len(at) for other in details
    )


def _problem(detail: ErrorDetails) -> Problem:
    context = detail.get("ctx", {})
    text = _FORMS.get(context.get("pattern", "")) or _MESSAGES.get(detail["type"])
    message = text.format(**context) if text is not None else detail["msg"]
    return Problem(reason=Reason.INVALID, message=message, field=field_path(detail["loc"]))
