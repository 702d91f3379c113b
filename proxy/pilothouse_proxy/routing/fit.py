"""Whether a model can serve a request at all, by what is known of it: a provider is not asked for what it must refuse.

Only what is known to be impossible is refused. A model of which nothing is known costs nothing here.
"""

from collections.abc import Callable, Mapping
from typing import Final

import msgspec

from pilothouse_api.snapshot.facts import Facts
from pilothouse_api.snapshot.providers import Model
from pilothouse_proxy.call import Call
from pilothouse_proxy.errors import GatewayError, Kind
from pilothouse_proxy.operations import WRITING, Operation
from pilothouse_proxy.routing import views

BYTES_A_TOKEN: Final = 10
"""More than text of any language takes, written as it is: what is too long by this measure is too long by far."""

# What OpenAI's two dialects and Anthropic's call a part of a message, and the fact that says whether it is taken.
_PARTS: Final = {
    "image_url": "vision",
    "input_image": "vision",
    "image": "vision",
    "file": "documents",
    "input_file": "documents",
    "document": "documents",
    "input_audio": "audio",
}
_SAID: Final = {"vision": "images", "documents": "files", "audio": "sound"}
_TURNS: Final = ("messages", "input")
_INPUTS: Final = (*_TURNS, "prompt")
_LIMITS: Final = ("max_completion_tokens", "max_output_tokens", "max_tokens")


# Documents that are written out in the request itself: text to every model.
_WRITTEN: Final = frozenset({"text", "content"})


_turns: Final = msgspec.json.Decoder(list[views.Turn])
_format: Final = msgspec.json.Decoder(views.Format | None)
_output: Final = msgspec.json.Decoder(views.Output | None)
_some: Final = msgspec.json.Decoder(list[msgspec.Raw] | None)


class Fit:
    """What one model cannot serve."""

    def __init__(self, facts: Facts, max_output_tokens: int | None) -> None:
        self._embeds = facts.embeddings
        self._no_tools = facts.tools is False
        self._no_schema = facts.json_schema is False
        self._no_stream = facts.streaming is False
        self._context = facts.context_tokens
        self._ceiling = max_output_tokens
        lacking = [name for name in _SAID if getattr(facts, name) is False]
        self._parts = [(b'"%b"' % part.encode(), part, fact) for part, fact in _PARTS.items() if fact in lacking]

    @property
    def streams(self) -> bool:
        """Whether it may be asked to stream."""
        return not self._no_stream

    @property
    def idle(self) -> bool:
        """Whether it lets everything through."""
        can = not (self._no_tools or self._no_schema or self._no_stream or self._parts)
        return can and self._embeds is None and self._context is None and self._ceiling is None

    def refusal(self, call: Call, text_bytes: int) -> GatewayError | None:
        """Why the request cannot be served, by the client's parameter. `text_bytes`: of the body, without base64."""
        writes = call.operation in WRITING
        if self._embeds is not None and self._embeds is writes and (writes or call.operation is Operation.EMBEDDINGS):
            what = "makes embeddings and answers nothing else" if writes else "makes no embeddings"
            return _unsupported("model", f"this model {what}")
        if self._context is not None and text_bytes > self._context * BYTES_A_TOKEN and (writes or _is_one(call)):
            refusal = self._too_long(call, text_bytes, self._context)
            if refusal is not None:
                return refusal
        return self._unwritten(call) if writes else None

    def _too_long(self, call: Call, text_bytes: int, context: int) -> GatewayError | None:
        """What is escaped or blank takes many bytes and few tokens: they are looked for only here."""
        body = call.body
        least = (text_bytes - 5 * body.count(b"\\u") - 2 * body.count(b"  ")) // BYTES_A_TOKEN
        if least <= context:
            return None
        param = next((name for name in _INPUTS if name in call.peek.members), "messages")
        return GatewayError(
            Kind.CONTEXT_LENGTH,
            f"`{param}` is at least {least} tokens long, and this model's context window holds {context}",
            param=param,
        )

    def _unwritten(self, call: Call) -> GatewayError | None:
        """Of what asks a model to write."""
        members, asked = call.peek.members, call.peek.max_output_tokens
        if self._ceiling is not None and asked is not None and asked > self._ceiling:
            param = next((name for name in _LIMITS if name in members), "max_tokens")
            return _unsupported(param, f"`{param}` is {asked}, and this model writes {self._ceiling} tokens at most")
        if self._no_tools:
            for param in ("tools", "functions"):
                if param in members and _filled(members[param]):
                    return _unsupported(param, f"this model takes no `{param}`")
        if self._no_schema:
            for param, of in _SCHEMAS.items():
                member = param.partition(".")[0]
                if member in members and of(members[member]) == "json_schema":
                    return _unsupported(param, f"this model cannot be bound to a JSON schema by `{param}`")
        return self._part(call) if self._parts else None

    def _part(self, call: Call) -> GatewayError | None:
        for param in _TURNS:
            if param in call.peek.members:
                raw = call.peek.members[param]
                text = bytes(raw)
                found = [(part, fact) for quoted, part, fact in self._parts if quoted in text]
                # A text may hold the word: only who looks at the parts knows.
                present = _types(raw) if found else set()
                for part, fact in found:
                    if part in present:
                        return _unsupported(param, f"this model takes no {_SAID[fact]} (`{part}`) in `{param}`")
        return None


def ceiling(model: Model) -> int | None:
    """The most that it writes: the manifest's word, else what the account tells."""
    if model.max_output_tokens is not None or model.facts is None:
        return model.max_output_tokens
    return model.facts.max_output_tokens


def of(model: Model) -> Fit | None:
    """None: nothing is known that could speak against a request."""
    fit = Fit(model.facts or Facts(), ceiling(model))
    return None if fit.idle else fit


def unstreamed() -> GatewayError:
    """For a stream that neither the model gives nor anybody can make of its answer."""
    return _unsupported("stream", "this model cannot answer as a stream: ask without `stream`")


def _unsupported(param: str, message: str) -> GatewayError:
    return GatewayError(Kind.UNSUPPORTED, message, param=param)


def _filled(raw: msgspec.Raw) -> bool:
    try:
        return bool(_some.decode(raw))
    except ValueError:
        return False


def _typed(raw: msgspec.Raw) -> str:
    try:
        format_ = _format.decode(raw)
    except ValueError:
        return ""
    return "" if format_ is None else format_.type


def _typed_inside(raw: msgspec.Raw) -> str:
    try:
        output = _output.decode(raw)
    except ValueError:
        return ""
    return "" if output is None or output.format is None else output.format.type


# How OpenAI's two dialects and Anthropic's, today and in its betas, ask for an answer that follows a schema.
_SCHEMAS: Final[Mapping[str, Callable[[msgspec.Raw], str]]] = {
    "response_format": _typed,
    "text.format": _typed_inside,
    "output_config.format": _typed_inside,
    "output_format": _typed,
}


def _is_one(call: Call) -> bool:
    """Whether all of the body goes to the model at once: a list of texts to embed or to rank is taken one by one, and
    who asks how long a text is may ask that of any.
    """
    return call.operation is Operation.EMBEDDINGS and bytes(call.peek.members.get("input", b"")).startswith(b'"')


def _types(raw: msgspec.Raw) -> set[str]:
    """The types of all parts; none where the turns are not of that form, which is for the dialect to say."""
    try:
        turns = _turns.decode(raw)
    except (ValueError, RecursionError):
        return set()
    found = set[str]()
    lists = [turn.content for turn in turns if isinstance(turn.content, list)]
    while lists:
        for part in lists.pop():
            source = part.source
            if source is None or source.type not in _WRITTEN:
                found.add(part.type)
            inside = (part.content, None if source is None else source.content)
            lists += [parts for parts in inside if isinstance(parts, list)]
    return found
