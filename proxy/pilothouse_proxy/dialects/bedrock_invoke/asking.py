"""A request against the row of its family: what cannot be said is refused by its name, before anything is written."""

from collections.abc import Mapping

from pilothouse_api.snapshot.providers import Model
from pilothouse_proxy.dialects.bedrock_invoke import refusal
from pilothouse_proxy.dialects.bedrock_invoke.rows import Row
from pilothouse_proxy.exchange.request import ParallelCalls, Request, Strict, Tool, ToolMode

UNKNOWN_OUTPUT = 4_096
"""The limit where nobody has named one, for a family whose ceiling is not known."""

_HINTS: Mapping[str, str] = {
    "n": "ask once for each answer",
    "functions": "send `tools`",
    "function_call": "send `tool_choice`",
    "response_format": "ask for JSON in the prompt",
    "store": "answers are not stored",
}

_WORTH = {"low": 5_120, "medium": 16_384}
"""Up to how many tokens of thinking, half-way to the next effort's."""


def check(request: Request, row: Row) -> None:
    """All but the turns.

    Raises:
        GatewayError: UNSUPPORTED or INVALID_REQUEST that names the parameter.
    """
    for name in request.others:
        if name not in row.extras:
            raise refusal.unsupported(row, name, _HINTS.get(name, ""))
    _check_tools(request, row)
    for param, value, highest in (
        ("temperature", request.temperature, row.hottest),
        ("top_p", request.top_p, 1.0),
    ):
        if value is not None and not 0 <= value <= highest:
            raise refusal.invalid(param, f"`{param}` must be between 0 and {highest:g} for {row.name} models")
    _check_stop(request, row)
    wanted = effort(request)
    if wanted is not None and wanted not in row.efforts:
        known = f"it takes {', '.join(row.efforts)}" if row.efforts else ""
        raise refusal.unsupported(row, "reasoning_effort", known)
    if request.answer_schema is not None and not row.answer_schema:
        raise refusal.unsupported(row, "response_format", "it has no structured output")
    if request.service_tier not in {None, "default"}:
        raise refusal.unsupported(row, "service_tier", "it takes default")
    if request.metadata:
        raise refusal.unsupported(row, "metadata")


def effort(request: Request) -> str | None:
    """How much the model is to think; None: as it likes. A number of tokens becomes the effort that is worth them."""
    if request.thinking_tokens is not None:
        return next((name for name, most in _WORTH.items() if request.thinking_tokens <= most), "high")
    return None if request.effort == "none" else request.effort


def limit(request: Request, model: Model, row: Row) -> int:
    """The most tokens that the answer may have: the client's word, else the manifest's, else a modest number."""
    asked = model.max_output_tokens if request.max_output_tokens is None else request.max_output_tokens
    if asked is not None:
        return asked
    return UNKNOWN_OUTPUT if row.output_ceiling is None else min(row.modest_output, row.output_ceiling)


def sampling(request: Request, *, temperature: str = "temperature", top_p: str = "top_p") -> dict[str, object]:
    """What the client has set, under the body's names."""
    found: dict[str, object] = {}
    if request.temperature is not None:
        found[temperature] = request.temperature
    if request.top_p is not None:
        found[top_p] = request.top_p
    return found


def stops(request: Request, *own: str) -> list[str]:
    """The client's sequences, then those by which the prompt itself ends an answer."""
    return [sequence for sequence in request.stop if sequence] + list(own)


def extras(request: Request, row: Row) -> dict[str, object]:
    """Further parameters as the client wrote them."""
    return {row.extras[name]: raw for name, raw in request.others.items()}


def offered(request: Request) -> list[tuple[int, Tool]]:
    """The tools that the model may use, with their places in the client's list; none if it may use none."""
    choice = request.tool_choice
    if choice is not None and choice.mode is ToolMode.NONE:
        return []
    tools = list(enumerate(request.tools))
    return [pair for pair in tools if pair[1].name in choice.names] if choice is not None and choice.names else tools


def _check_stop(request: Request, row: Row) -> None:
    sequences = stops(request)
    if len(sequences) > row.stop_sequences:
        raise refusal.unsupported(row, "stop", f"at most {row.stop_sequences}" if row.stop_sequences else "")
    if any(not sequence.strip() for sequence in sequences):
        raise refusal.unsupported(row, "stop", "a sequence of blanks alone is refused")


def _check_tools(request: Request, row: Row) -> None:
    tools = offered(request)
    if not tools:
        return
    if not row.tools:
        raise refusal.unsupported(row, "tools")
    choice = request.tool_choice
    # A list that is cut down to the one tool says NAMED as well where some call can be demanded.
    if choice is not None and choice.mode not in row.tools:
        demanded = choice.mode is ToolMode.NAMED and ToolMode.ANY in row.tools
        if not demanded:
            raise refusal.unsupported(row, "tool_choice", "it takes auto and none")
    if request.parallel_calls is ParallelCalls.FORBIDDEN:
        raise refusal.unsupported(row, "parallel_tool_calls", "it may ask for several calls at once")
    seen: set[str] = set()
    for at, tool in tools:
        if tool.name in seen:
            raise refusal.invalid(f"tools[{at}].function.name", f"two tools have the name `{tool.name}`")
        seen.add(tool.name)
        if tool.strict is Strict.YES:
            raise refusal.unsupported(row, f"tools[{at}].function.strict")
