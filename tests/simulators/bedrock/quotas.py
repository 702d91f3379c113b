"""Service Quotas, as far as it lists those of Bedrock: on the runtime's port, told apart by what it is asked at.

https://docs.aws.amazon.com/servicequotas/2019-06-24/apireference/API_ListServiceQuotas.html: JSON 1.1, POST to `/`, the
operation in `X-Amz-Target`, the error's name in the body as `__type`. The names are of the form that AWS gives them;
the figures are not AWS's.
"""

from __future__ import annotations

from typing import Any, Final

import msgspec

from tests.simulators import answers, faults
from tests.simulators.answers import Whole
from tests.simulators.bedrock import errors, policy, sigv4
from tests.simulators.bedrock.service import NAME
from tests.simulators.bedrock.voice import VOICE
from tests.simulators.controls import Controls
from tests.simulators.faults import Shape
from tests.simulators.recorder import Record
from tests.simulators.wire.replies import Reply
from tests.simulators.wire.server import Request

TARGET: Final = b"ServiceQuotasV20190624."
SERVICE: Final = "servicequotas"
_OPERATION: Final = "ListServiceQuotas"
_JSON: Final = [("content-type", "application/x-amz-json-1.1"), ("x-amzn-requestid", answers.REQUEST_ID)]
_MOST: Final = 100
_ROWS: Final = (
    ("On-demand model inference requests per minute for Amazon Nova Micro", 2_000.0),
    ("On-demand model inference tokens per minute for Amazon Nova Micro", 4_000_000.0),
    ("Cross-region model inference requests per minute for Amazon Nova Micro", 4_000.0),
    ("Cross-region model inference tokens per minute for Amazon Nova Micro", 8_000_000.0),
    ("Cross-region model inference requests per minute for Anthropic Claude Sonnet 4.5 V1", 200.0),
    ("Cross-region model inference tokens per minute for Anthropic Claude Sonnet 4.5 V1", 200_000.0),
    ("Cross-region model inference tokens per minute for Anthropic Claude Sonnet 4.5 V1 1M Context Length", 1_000.0),
    ("Global cross-region model inference requests per minute for Anthropic Claude Sonnet 4.5 V1", 500.0),
    ("Global cross-region model inference tokens per minute for Anthropic Claude Sonnet 4.5 V1", 500_000.0),
    ("Cross-region model inference requests per minute for DeepSeek R1 V1", 200.0),
    ("On-demand model inference requests per minute for Meta Llama 3.3 70B Instruct", 800.0),
    ("On-demand model inference tokens per minute for Luma Ray V2", 7.0),
    ("Model invocation max tokens per day for Amazon Nova Micro (doubled for cross-region calls)", 5_760_000_000.0),
    ("Number of guardrails per account", 100.0),
)


class ServiceQuotas:
    """Answers requests. Its faults are those of provider `bedrock`, operation `ListServiceQuotas`."""

    def __init__(self, controls: Controls) -> None:
        self._controls = controls

    def __call__(self, request: Request) -> Reply:
        controls = self._controls
        record = controls.recorder.open(NAME, request)
        reply, status = self._reply(request, record)
        controls.recorder.answered(record, status)
        reply.record = record
        return reply

    def _reply(self, request: Request, record: Record) -> tuple[Reply, int]:
        controls = self._controls
        now = controls.now()
        date = answers.date(now)
        target = (request.header(b"x-amz-target") or b"").removeprefix(TARGET).decode("latin-1")
        if target != _OPERATION or request.method != b"POST" or request.path != b"/":
            return faults.sent(_error("UnknownOperationException", "The operation is not recognized."), extra=date)
        record.operation = _OPERATION
        key = sigv4.verify(
            request, keys=controls.keys.signing, now=now, region=controls.settings.region, service=SERVICE
        )
        refused = key if isinstance(key, sigv4.Refusal) else policy.listing(key, f"{SERVICE}:{_OPERATION}")
        if isinstance(key, sigv4.Refusal) or refused is not None:
            assert refused is not None
            return faults.sent(_error(refused.name, refused.message), extra=date)
        record.credential = key.access_key_id
        fault = controls.faults.take(provider=NAME, model="", operation=_OPERATION, streamed=False, request=request)
        if fault is not None:
            record.fault = fault.kind.value
            replaced = faults.instead(msgspec.structs.replace(fault, shape=Shape.BODY), VOICE, extra=date)
            if replaced is not None:
                return replaced
        return faults.sent(_page(request.body, controls.settings.region), extra=date)


def _page(body: bytes, region: str) -> Whole:
    try:
        asked = msgspec.json.decode(body, type=dict[str, Any])
    except msgspec.DecodeError:
        return _error("SerializationException", "The request is no JSON object.")
    if asked.get("ServiceCode") != "bedrock":
        return _error("NoSuchResourceException", "The specified service does not exist.")
    most, token = asked.get("MaxResults", _MOST), asked.get("NextToken", "0")
    if not isinstance(most, int) or not 1 <= most <= _MOST:
        return _error("IllegalArgumentException", f"MaxResults {most} is not between 1 and {_MOST}.")
    if not isinstance(token, str) or not token.isdecimal() or int(token) >= len(_ROWS):
        return _error("InvalidPaginationTokenException", "The pagination token is not valid.")
    begin, end = int(token), int(token) + most
    payload: dict[str, Any] = {"Quotas": [_quota(number, region) for number in range(begin, min(end, len(_ROWS)))]}
    if end < len(_ROWS):
        payload["NextToken"] = str(end)
    return answers.whole(200, _JSON, msgspec.json.encode(payload))


def _quota(number: int, region: str) -> dict[str, Any]:
    name, value = _ROWS[number]
    code = f"L-{number:08X}"
    return {
        "ServiceCode": "bedrock",
        "ServiceName": "Amazon Bedrock",
        "QuotaArn": f"arn:aws:servicequotas:{region}:123456789012:bedrock/{code}",
        "QuotaCode": code,
        "QuotaName": name,
        "Value": value,
        "Unit": "None",
        "Adjustable": True,
        "GlobalQuota": False,
        "QuotaAppliedAtLevel": "ACCOUNT",
    }


def _error(name: str, message: str) -> Whole:
    """Status 400 for all that the client has done."""
    return errors.answer(name, message, status=400, shape=Shape.BODY)
