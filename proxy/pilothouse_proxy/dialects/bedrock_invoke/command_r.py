"""Cohere Command R and R+: the last message, what was said before it, tools by the arguments they define.

https://docs.aws.amazon.com/bedrock/latest/userguide/model-parameters-cohere-command-r-plus.html

Calls have no ids: results go back with the call itself. Results of the round that is open stand in `tool_results`;
those of rounds that have been answered are told as text, for the history holds nothing else.
"""

import msgspec

from pilothouse_api.snapshot.providers import Model
from pilothouse_proxy.call import Call
from pilothouse_proxy.dialects.bedrock_invoke import asking, command, refusal, rows, turns, wire
from pilothouse_proxy.dialects.bedrock_invoke.rows import Row
from pilothouse_proxy.dialects.bedrock_invoke.said import CallPiece, Family, Said
from pilothouse_proxy.dialects.bedrock_invoke.turns import Spoken
from pilothouse_proxy.exchange.parts import ToolCall
from pilothouse_proxy.exchange.request import Request, Role, Tool

_answer = msgspec.json.Decoder(wire.CommandRAnswer)
_event = msgspec.json.Decoder(wire.CommandREvent)
_object = msgspec.json.Decoder(dict[str, msgspec.Raw])
_schema = msgspec.json.Decoder(wire.SchemaView)
_property = msgspec.json.Decoder(wire.PropertyView)

_ROLES = {Role.USER: "USER", Role.ASSISTANT: "CHATBOT"}
_TYPES = {"string": "str", "integer": "int", "number": "float", "boolean": "bool", "array": "list", "object": "dict"}
"""Cohere names types as Python does."""

_PLAIN = frozenset({"type", "description"})


def _row(_: Model) -> Row:
    return rows.COMMAND_R


def _body(request: Request, call: Call, row: Row) -> dict[str, object]:
    tools = [_tool(at, tool) for at, tool in asking.offered(request)]
    rendering = turns.Rendering.MEMBERS if tools else turns.Rendering.TEXT
    conversation = turns.gather(request, row, rendering)
    spoken = conversation.spoken
    asked = _asked(spoken)
    body: dict[str, object] = {"message": _message(spoken[asked:])}
    history = [{"role": _ROLES[turn.role], "message": _in_words(turn)} for turn in spoken[:asked]]
    if history:
        body["chat_history"] = history
    if conversation.system:
        body["preamble"] = conversation.system
    if tools:
        body["tools"] = tools
        results = _results(spoken[asked:])
        if results:
            body["tool_results"] = results
    body["max_tokens"] = asking.limit(request, call.model, row)
    body |= asking.sampling(request, top_p="p")
    body |= asking.extras(request, row)
    stop = asking.stops(request)
    if stop:
        body["stop_sequences"] = stop
    return body


def _asked(spoken: list[Spoken]) -> int:
    """The place of the user's turn that is being answered: behind it there is nothing but calls and their results."""
    at = len(spoken) - 1
    while at > 0 and not spoken[at].texts:
        at -= 1
        while at > 0 and spoken[at].role is Role.ASSISTANT:
            at -= 1
    return at


def _message(open_round: list[Spoken]) -> str:
    """What is asked, and what the model has said beside its calls since: there is no member for that."""
    noted = [f"[The assistant noted: {turn.text}]" for turn in open_round[1:] if turn.texts]
    said = open_round[0]
    asked = [turns.told_result(result) for result in said.results] + said.texts
    return "\n".join(asked + noted)


def _in_words(turn: Spoken) -> str:
    results = [turns.told_result(result) for result in turn.results]
    return "\n".join([*results, *turn.texts, *(turns.told_call(call) for call in turn.calls)])


def _results(open_round: list[Spoken]) -> list[dict[str, object]]:
    told: list[dict[str, object]] = []
    calls: dict[str, dict[str, object]] = {}
    for turn in open_round[1:]:
        for at, call in enumerate(turn.calls):
            calls[call.id] = {"name": call.name, "parameters": _parameters(turn, at, call)}
        for result in turn.results:
            told.append({"call": calls[result.call_id], "outputs": [_output(turns.output(result))]})
    return told


def _parameters(turn: Spoken, at: int, call: ToolCall) -> msgspec.Raw:
    written = call.arguments.strip() or "{}"
    try:
        _object.decode(written)
    except (ValueError, RecursionError):
        param = f"messages[{turn.at}].tool_calls[{at}].function.arguments"
        raise refusal.invalid(param, f"`{param}` is not a JSON object") from None
    return msgspec.Raw(written.encode())


def _output(said: str) -> object:
    """An object goes as it is; anything else under a name, for an output is an object."""
    if said.startswith("{"):
        try:
            _object.decode(said)
        except (ValueError, RecursionError):
            return {"text": said}
        return msgspec.Raw(said.encode())
    return {"text": said}


def _tool(at: int, tool: Tool) -> dict[str, object]:
    definitions: dict[str, object] = {}
    param = f"tools[{at}].function.parameters"
    if tool.schema is not None:
        try:
            schema = _schema.decode(tool.schema)
            if bytes(schema.type) not in {b"", b'"object"'}:
                raise ValueError
            for name, raw in schema.properties.items():
                definitions[name] = _definition(raw) | {"required": name in schema.required}
        except (ValueError, RecursionError):
            raise refusal.invalid(param, f"`{param}` must be a JSON schema of type object") from None
    return {"name": tool.name, "description": tool.description, "parameter_definitions": definitions}


def _definition(raw: msgspec.Raw) -> dict[str, object]:
    """An argument. What the family has no words for is told in the description: the whole schema."""
    members = _object.decode(raw)
    try:
        view = _property.decode(raw)
    except msgspec.ValidationError:
        view = wire.PropertyView()  # several types, or none that is a name
    known = view.type is not None and view.type in _TYPES
    description = view.description or ""
    if not known or members.keys() - _PLAIN:
        description = f"{description} JSON schema: {bytes(raw).decode()}".strip()
    return {"description": description, "type": _TYPES.get(view.type or "", "str")}


def _pieces(calls: list[wire.CommandCall] | None) -> tuple[CallPiece, ...]:
    return tuple(
        CallPiece(index=at, name=call.name, arguments=bytes(call.parameters).decode())
        for at, call in enumerate(calls or ())
    )


def _whole(body: bytes) -> Said:
    answer = _answer.decode(body)
    calls = _pieces(answer.tool_calls)
    return Said(
        text=answer.text,
        calls=calls,
        reason=answer.finish_reason,
        unknown=("citation",) * len(answer.citations or ()),
    )


def _document(document: bytes) -> Said:
    event = _event.decode(document)
    kind = event.event_type
    if kind == "text-generation":
        return Said(text=event.text or "")
    if kind == "tool-calls-generation":
        return Said(calls=_pieces(event.tool_calls))
    if kind == "stream-end":
        return Said(reason=event.finish_reason or "")
    if kind in {"stream-start", "tool-calls-chunk"}:
        return Said()  # the calls come again, whole
    return Said(unknown=("citation" if kind == "citation-generation" else f"event.{kind[:64]}",))


FAMILY: Family = Family(
    row=_row,
    body=_body,
    whole=_whole,
    document=_document,
    finishes=command.FINISHES,
    failures=command.FAILURES,
)
