"""The admin API over HTTP: what it changes, what it shows, what it refuses."""

from __future__ import annotations

import json
from typing import Any

import openai
import pytest

from tests.integration.simulators.raw import RawAnswer, call
from tests.simulators import credentials
from tests.simulators.fleet import Simulators

HELLO: Any = [{"role": "user", "content": "Hello"}]


def admin(simulators: Simulators, method: str, target: str, payload: Any = None) -> RawAnswer:
    body = None if payload is None else json.dumps(payload).encode()
    return call(method, simulators.admin_url, target, {}, body)


def hello(client: openai.OpenAI, model: str = "gpt-4o") -> Any:
    return client.chat.completions.create(model=model, messages=HELLO)


def test_it_is_healthy(simulators: Simulators) -> None:
    assert admin(simulators, "GET", "/healthz").json() == {"ok": True}


def test_faults_are_added_listed_and_deleted(simulators: Simulators, plain: openai.OpenAI) -> None:
    fault = {"kind": "error", "provider": "openai", "model": "gpt-4o*", "status": 503, "count": None}
    assert admin(simulators, "POST", "/faults", [fault, {"kind": "silence", "skip": 5}]).status == 200
    listed = admin(simulators, "GET", "/faults").json()
    assert [(row["kind"], row["status"], row["skip"]) for row in listed] == [("error", 503, 0), ("silence", None, 5)]
    for _ in range(2):
        with pytest.raises(openai.InternalServerError):
            hello(plain)
    admin(simulators, "DELETE", "/faults")
    hello(plain)


@pytest.mark.parametrize(
    ("fault", "words"),
    [
        ({"kind": "explode"}, "Invalid enum value 'explode'"),
        ({"kind": "cut", "afterEvent": 1}, "unknown field `afterEvent`"),
        ({"kind": "error"}, "needs status or name"),
        ({"kind": "bad-crc", "provider": "azure"}, "exists for provider bedrock only"),
        ({"kind": "prompt-filter", "provider": "bedrock"}, "exists for provider azure only"),
        ({"kind": "missing-event"}, "needs beforeEvent"),
        ({"kind": "throttle", "name": "tokenz"}, "name of kind throttle must be one of"),
    ],
)
def test_a_fault_that_could_not_come_is_refused(simulators: Simulators, fault: Any, words: str) -> None:
    answer = admin(simulators, "POST", "/faults", fault)
    assert answer.status == 400
    assert words in answer.json()["error"]
    assert simulators.controls.faults.rules == []


def test_keys_rotate(simulators: Simulators, azure: openai.AzureOpenAI) -> None:
    admin(simulators, "PUT", "/credentials", {"azure": {"new-key": "rotated"}})
    with pytest.raises(openai.AuthenticationError):
        hello(azure)
    hello(azure.with_options(api_key="new-key"))
    assert simulators.controls.recorder.records[-1].credential == "rotated"
    admin(simulators, "POST", "/reset")
    hello(azure)


def test_access_keys_rotate(simulators: Simulators, bedrock: Any) -> None:
    key = {"accessKeyId": credentials.ACCESS_KEY_ID, "secretAccessKey": "another"}
    admin(simulators, "PUT", "/credentials", {"accessKeys": [key]})
    with pytest.raises(bedrock.exceptions.ClientError, match="InvalidSignatureException"):
        bedrock.converse(modelId="amazon.nova-pro-v1:0", messages=[{"role": "user", "content": [{"text": "a"}]}])


def test_models_are_added_and_replaced(simulators: Simulators, azure: openai.AzureOpenAI) -> None:
    row = {"id": "mine", "reported": "gpt-x", "contextWindow": 1000, "maxOutputTokens": 100}
    admin(simulators, "POST", "/models", {"azure": [row]})
    assert hello(azure, "mine").model == "gpt-x"
    admin(simulators, "POST", "/models", {"azure": [{**row, "reported": "gpt-y"}]})
    assert hello(azure, "mine").model == "gpt-y"
    assert "mine" in [model["id"] for model in admin(simulators, "GET", "/models").json()["azure"]]


def test_latency_limits_and_settings_are_set(simulators: Simulators) -> None:
    admin(simulators, "POST", "/latency", {"provider": "azure", "firstByteMs": 5, "betweenEventsMs": 1})
    admin(simulators, "POST", "/limits", {"provider": "azure", "rpm": 3})
    admin(simulators, "PUT", "/settings", {"region": "eu-central-1", "filterMode": "asynchronous"})
    controls = simulators.controls
    assert controls.pacing.of("azure", "gpt").first_byte_ms == 5
    assert controls.pacing.of("bedrock", "x").first_byte_ms == 0
    assert controls.limits.rules[0].rpm == 3
    assert admin(simulators, "GET", "/settings").json()["region"] == "eu-central-1"
    admin(simulators, "DELETE", "/latency")
    admin(simulators, "DELETE", "/limits")
    assert (controls.pacing.rules, controls.limits.rules) == ([], [])


def test_requests_are_shown_by_provider_model_and_sequence(
    simulators: Simulators, azure: openai.AzureOpenAI, plain: openai.OpenAI
) -> None:
    hello(azure)
    hello(plain)
    hello(plain, "gpt-4o-mini")
    everything = admin(simulators, "GET", "/requests").json()
    assert [row["provider"] for row in everything["requests"]] == ["azure", "openai", "openai"]
    assert everything["last"] == everything["requests"][-1]["seq"]
    since = everything["requests"][0]["seq"]
    shown = admin(simulators, "GET", f"/requests?provider=openai&since={since}&limit=1").json()["requests"]
    assert [row["model"] for row in shown] == ["gpt-4o-mini"]
    assert shown[0]["body"] == {"messages": HELLO, "model": "gpt-4o-mini"}
    assert credentials.OPENAI_API_KEY not in json.dumps(everything)
    assert credentials.AZURE_API_KEY not in json.dumps(everything)
    assert admin(simulators, "GET", "/requests?sinse=1").status == 400


def test_counts_are_kept_by_model_and_status(simulators: Simulators, plain: openai.OpenAI) -> None:
    hello(plain)
    with pytest.raises(openai.NotFoundError):
        hello(plain, "nothing")
    counts = admin(simulators, "GET", "/counts").json()
    assert counts == {"openai": {"gpt-4o": {"total": 1, "200": 1}, "nothing": {"total": 1, "404": 1}}}
    admin(simulators, "DELETE", "/requests")
    assert admin(simulators, "GET", "/counts").json() == {}


def test_an_unknown_call_lists_those_that_exist(simulators: Simulators) -> None:
    answer = admin(simulators, "GET", "/nothing")
    assert answer.status == 404
    assert "POST /faults" in answer.json()["known"]
