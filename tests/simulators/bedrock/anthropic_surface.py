"""Messages as Bedrock speaks it at `/anthropic/v1/messages`, on the runtime host and on `bedrock-mantle`.

Source: Bedrock user guide, "Anthropic Messages API": the models from Claude Opus 4.7 on, by signature or API key.
"""

from __future__ import annotations

from collections.abc import Mapping

import msgspec

from tests.simulators import answers
from tests.simulators.answers import Whole
from tests.simulators.anthropic import errors, surface
from tests.simulators.anthropic.messages import Speaker
from tests.simulators.bedrock import claude, sign_in, sigv4
from tests.simulators.bedrock import errors as bedrock_errors
from tests.simulators.controls import Controls
from tests.simulators.limits import Admission
from tests.simulators.models import AnthropicModel, BedrockModel
from tests.simulators.wire.server import Request


class AnthropicSurface:
    """Of one host."""

    name = "bedrock"
    operations: Mapping[bytes, tuple[bytes, str]] = {b"/v1/messages": (b"POST", surface.MESSAGES)}

    def __init__(self, controls: Controls, *, service: str) -> None:
        self._controls = controls
        self._service = service

    def credential(self, request: Request) -> str | Whole:
        """Whoever may invoke the model that the body names."""
        try:
            body = msgspec.json.decode(request.body)
        except msgspec.DecodeError:
            body = {}
        name = str(body.get("model")) if isinstance(body, dict) else ""
        streamed = isinstance(body, dict) and body.get("stream") is True
        found = sign_in.credential(
            self._controls,
            request,
            model_id=name,
            operation="InvokeModelWithResponseStream" if streamed else "InvokeModel",
            now=self._now(),
            service=self._service,
        )
        if isinstance(found, sigv4.Refusal):
            kind = "permission_error" if found.name == "AccessDeniedException" else "authentication_error"
            return errors.answer(kind, found.message, status=403)
        row = self._rows().get(name)
        if row is not None and not row.access:
            return errors.answer("permission_error", bedrock_errors.message_of("AccessDeniedException"))
        return found

    def models(self) -> Mapping[str, AnthropicModel]:
        """By every name that they can be called by."""
        return {name: claude.model(row, row.claude) for name, row in self._rows().items() if row.claude is not None}

    def _rows(self) -> dict[str, BedrockModel]:
        found: dict[str, BedrockModel] = {}
        for row in self._controls.models.bedrock.values():
            if row.claude is None or not row.claude.messages:
                continue
            found.update({f"{geography}.{row.id}": row for geography in row.profiles})
            if row.on_demand:
                found[row.id] = row
        return found

    def speaker(self, name: str) -> Speaker:
        return Speaker(provider=self.name, model=name, mark=claude.MARK)

    def lines(self) -> bytes:
        return answers.date(self._now())

    def limit_headers(self, admission: Admission, now: float) -> bytes:
        """None: Bedrock does not tell."""
        return b""

    def throttled(self, admission: Admission, now: float) -> Whole:
        message = f"Too many {admission.refused}, please wait before trying again."
        return errors.answer("rate_limit_error", message)

    def _now(self) -> float:
        return self._controls.now() + self._controls.settings.bedrock_clock_skew_s
