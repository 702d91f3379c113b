"""The halves of the dialects that face providers, as `translation` loads them; there is no other."""

from functools import partial

import msgspec

from pilothouse_api.snapshot.providers import Model
from pilothouse_proxy.call import Call
from pilothouse_proxy.dialects.bedrock_invoke import (
    asking,
    claude_text,
    command,
    command_r,
    counting,
    deepseek,
    jamba,
    jurassic,
    llama,
    mistral,
    mistral_chat,
    nova,
    openai,
    reading,
    stream,
    titan_text,
)
from pilothouse_proxy.dialects.bedrock_invoke.rows import Streaming
from pilothouse_proxy.dialects.bedrock_invoke.said import Family
from pilothouse_proxy.exchange.reply import Reply
from pilothouse_proxy.exchange.request import Request
from pilothouse_proxy.exchange.usage import Usage
from pilothouse_proxy.http.messages import Headers
from pilothouse_proxy.ports import EventDecoder


class Provider:
    """`HeadedDialect` of one family."""

    def __init__(self, family: Family) -> None:
        self._family = family

    def encode_request(self, request: Request, call: Call) -> bytes:
        """The body; the model is in the path. A family that cannot stream is asked for the whole answer."""
        row = self._family.row(call.model)
        if row.streaming is Streaming.NO:
            call.streams = False
        asking.check(request, row)
        return msgspec.json.encode(self._family.body(request, call, row))

    def decode_reply(self, request: Request, model: Model, body: bytes) -> Reply:
        """See `reading.reply`."""
        return reading.reply(self._family, request, model, body)

    def counted(self, reply: Reply, call: Call, headers: Headers) -> Usage:
        """What the headers tell of the tokens, else the body, else an estimate."""
        return counting.completed(call, counting.of_headers(headers), reply.usage, counting.shown(reply))

    def event_decoder(self, request: Request, call: Call, headers: Headers) -> EventDecoder:
        """For one answer of InvokeModelWithResponseStream."""
        return stream.Decoder(self._family, request, call, headers)


TITAN_TEXT = partial(Provider, titan_text.FAMILY)
CLAUDE_TEXT = partial(Provider, claude_text.FAMILY)
JURASSIC = partial(Provider, jurassic.FAMILY)
JAMBA = partial(Provider, jamba.FAMILY)
COMMAND = partial(Provider, command.FAMILY)
COMMAND_R = partial(Provider, command_r.FAMILY)
LLAMA = partial(Provider, llama.FAMILY)
MISTRAL = partial(Provider, mistral.FAMILY)
MISTRAL_CHAT = partial(Provider, mistral_chat.FAMILY)
DEEPSEEK = partial(Provider, deepseek.FAMILY)
NOVA = partial(Provider, nova.FAMILY)
OPENAI = partial(Provider, openai.FAMILY)
