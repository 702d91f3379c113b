"""Session policies of STS: what a set of models becomes, the narrowest first."""

import json

import pytest

from pilothouse_operator.clouds import aws_session_policy
from pilothouse_operator.compile.identities import BedrockForm, BedrockHost
from tests.goldens import Goldens

ACCOUNT = "123456789012"
HERE = f"arn:aws:bedrock:eu-central-1:{ACCOUNT}"

CASES: dict[str, tuple[str, ...]] = {
    "a-base-model": ("anthropic.claude-3-haiku-20240307-v1:0",),
    "a-dot-in-a-name": ("deepseek.v3.2",),
    "a-profile-of-europe": ("eu.anthropic.claude-sonnet-4-5-20250929-v1:0",),
    "a-global-profile": ("global.anthropic.claude-opus-5-5",),
    "an-unknown-geography": ("za.anthropic.claude-opus-5-5",),
    "application-profile": (f"{HERE}:application-inference-profile/a1b2c3d4e5f6",),
    "arns": (
        "arn:aws:bedrock:us-east-1::foundation-model/amazon.nova-pro-v1:0",
        f"{HERE}:inference-profile/eu.anthropic.claude-sonnet-4-5-20250929-v1:0",
    ),
    "provisioned": (f"{HERE}:provisioned-model/abcdefghijkl",),
    "prompt-router": (f"{HERE}:default-prompt-router/anthropic.claude:1",),
    "marketplace": (f"arn:aws:sagemaker:eu-central-1:{ACCOUNT}:endpoint/some-model",),
    "no-model-id": ("*", "amazon.nova-pro-v1:0"),
    "every-model": (),
    "more-than-fit": tuple(
        f"eu.{vendor}.model-{i:02}-20260101-v1:0" for vendor in ("amazon", "meta") for i in range(12)
    ),
}


@pytest.mark.parametrize("case", sorted(CASES))
def test_policies_are_as_their_golden_file_says(case: str, goldens: Goldens) -> None:
    found = aws_session_policy.policies(CASES[case], region="eu-central-1", account=ACCOUNT, form=BedrockForm.SESSION)
    told = [{"note": policy.note, "policy": json.loads(policy.text)} for policy in found]
    goldens.check_json(f"{case}.json", {"models": CASES[case], "narrowest first": told})


def test_api_keys_need_to_be_allowed_to_call(goldens: Goldens) -> None:
    found = aws_session_policy.policies(
        CASES["a-base-model"], region="us-gov-west-1", account="", form=BedrockForm.API_KEY
    )
    goldens.check_json("api-key-elsewhere.json", [json.loads(policy.text) for policy in found])


def test_mantle_has_actions_of_its_own(goldens: Goldens) -> None:
    found = aws_session_policy.policies(
        CASES["a-base-model"],
        region="eu-central-1",
        account=ACCOUNT,
        form=BedrockForm.API_KEY,
        hosts=(BedrockHost.RUNTIME, BedrockHost.MANTLE),
    )
    goldens.check_json("mantle.json", [json.loads(policy.text) for policy in found])


def test_every_golden_file_has_its_case(goldens: Goldens) -> None:
    goldens.check_complete("*.json", {"api-key-elsewhere.json", "mantle.json", *(f"{case}.json" for case in CASES)})
