"""Every error answer of a provider: how it is classified, what the plan may do, and what the client is told."""

import json
from pathlib import Path

import pytest

from pilothouse_proxy import errors
from pilothouse_proxy.errors import Failure
from pilothouse_proxy.providers import registry
from tests.goldens import Goldens

FOLDER = Path(__file__).parent
KINDS = {"anthropic": "anthropic", "azure_openai": "azureOpenAI", "bedrock": "bedrock", "openai": "openAI"}
CASES = sorted(str(path.relative_to(FOLDER).with_suffix("")) for path in FOLDER.glob("*/*.http"))
NOW = 1_793_534_400.0

SECRETS = ("GOLDEN-", "123456789012", "proj_", "00000000-1111")
"""Credentials, accounts and identities that the inputs hold: no client may read them."""


def classified(case: str) -> Failure:
    head, _, body = (FOLDER / f"{case}.http").read_bytes().partition(b"\n\n")
    status, *lines = head.split(b"\n")
    headers = [(name.lower(), value.strip()) for name, _, value in (line.partition(b":") for line in lines)]
    provider = registry.load(KINDS[case.partition("/")[0]])
    return provider.classify(status=int(status.split()[1]), headers=headers, body=body, now=NOW)


@pytest.mark.parametrize("case", CASES)
def test_an_error_answer_is_classified_and_told_as_written_down(case: str, goldens: Goldens) -> None:
    failure = classified(case)
    answer = errors.from_failure(failure)
    row = failure.row
    got = {
        "kind": failure.kind,
        "class": failure.failure_class,
        "retry": row.retry,
        "breaker": row.breaker,
        "blame": row.blame,
        "renewable": failure.renewable,
        "note": failure.note,
        "client": {
            "status": answer.status,
            "headers": {name.decode(): value.decode() for name, value in answer.headers},
            "body": json.loads(answer.body),
        },
    }
    goldens.check_json(f"{case}.openai.json", got)


def test_no_golden_file_is_stale_and_none_is_missing(goldens: Goldens) -> None:
    assert len(CASES) > 75
    goldens.check_complete("*/*.openai.json", {f"{case}.openai.json" for case in CASES})


@pytest.mark.parametrize("case", CASES)
def test_no_client_reads_a_credential_an_account_or_an_identity(case: str) -> None:
    answer = errors.from_failure(classified(case))
    told = answer.body.decode() + repr(answer.headers)
    assert [secret for secret in SECRETS if secret in told] == []


@pytest.mark.parametrize("case", CASES)
def test_no_log_reads_a_credential(case: str) -> None:
    assert "GOLDEN-" not in repr(classified(case))


@pytest.mark.parametrize("case", CASES)
def test_the_upstreams_word_on_repeating_is_never_copied(case: str) -> None:
    assert (b"x-should-retry", b"true") not in errors.from_failure(classified(case)).headers
