import pytest
from botocore.session import Session
from hypothesis import given, settings
from hypothesis import strategies as st

from pilothouse_operator.clouds import aws_session_policy
from pilothouse_operator.clouds.aws_session_policy import LONGEST, Policy
from pilothouse_operator.compile.identities import BedrockForm
from tests.unit.operator.clouds.policies import allows

INVOKE = "bedrock:InvokeModel"
STREAM = "bedrock:InvokeModelWithResponseStream"
ACCOUNT = "123456789012"
PROFILE = f"arn:aws:bedrock:eu-central-1:{ACCOUNT}:application-inference-profile/a1b2c3d4e5f6"
ROUTER = f"arn:aws:bedrock:eu-central-1:{ACCOUNT}:default-prompt-router/anthropic.claude:1"
ENDPOINT = f"arn:aws:sagemaker:eu-central-1:{ACCOUNT}:endpoint/some-model"


def policies(*models: str, region: str = "eu-central-1", form: BedrockForm = BedrockForm.SESSION) -> tuple[Policy, ...]:
    return aws_session_policy.policies(models, region=region, account=ACCOUNT, form=form)


def foundation(model: str, region: str = "eu-central-1") -> str:
    return f"arn:aws:bedrock:{region}::foundation-model/{model}"


def profile(model: str) -> str:
    return f"arn:aws:bedrock:eu-central-1:{ACCOUNT}:inference-profile/{model}"


def test_a_base_model_is_allowed_in_its_region_alone() -> None:
    narrowest = policies("anthropic.claude-3-haiku-20240307-v1:0")[0]
    assert narrowest.note == ""
    assert allows(narrowest.text, INVOKE, foundation("anthropic.claude-3-haiku-20240307-v1:0"))
    assert allows(narrowest.text, STREAM, foundation("anthropic.claude-3-haiku-20240307-v1:0"))
    assert not allows(narrowest.text, INVOKE, foundation("anthropic.claude-3-haiku-20240307-v1:0", "us-east-1"))
    assert not allows(narrowest.text, INVOKE, foundation("anthropic.claude-3-sonnet-20240229-v1:0"))


def test_a_profile_needs_the_model_in_each_region_that_it_routes_to() -> None:
    narrowest = policies("eu.anthropic.claude-sonnet-4")[0]
    assert allows(narrowest.text, INVOKE, profile("eu.anthropic.claude-sonnet-4"))
    assert allows(narrowest.text, INVOKE, foundation("anthropic.claude-sonnet-4", "eu-north-1"))
    assert not allows(narrowest.text, INVOKE, profile("us.anthropic.claude-sonnet-4"))


def test_a_global_profile_routes_to_a_model_without_region_too() -> None:
    assert allows(
        policies("global.anthropic.claude-opus-5-5")[0].text, INVOKE, foundation("anthropic.claude-opus-5-5", "")
    )


def test_an_application_profile_opens_models_through_itself_alone() -> None:
    narrowest = policies(PROFILE)[0]
    assert allows(narrowest.text, INVOKE, PROFILE)
    model = foundation("meta.llama4", "eu-west-1")
    assert allows(narrowest.text, INVOKE, model, InferenceProfileArn=PROFILE)
    assert not allows(narrowest.text, INVOKE, model)
    assert not allows(narrowest.text, INVOKE, model, InferenceProfileArn=f"{PROFILE}x")


def test_a_model_of_the_marketplace_runs_only_where_bedrock_calls_it() -> None:
    narrowest = policies(ENDPOINT)[0]
    assert allows(narrowest.text, INVOKE, ENDPOINT)
    assert allows(narrowest.text, "sagemaker:InvokeEndpoint", ENDPOINT, CalledViaLast="bedrock.amazonaws.com")
    assert not allows(narrowest.text, "sagemaker:InvokeEndpoint", ENDPOINT)


def test_a_router_opens_every_model_and_the_note_names_it() -> None:
    (only,) = policies(ROUTER, "amazon.nova-pro-v1:0")
    assert "every model" in only.note
    assert ROUTER in only.note
    assert allows(only.text, INVOKE, foundation("meta.llama4"))


def test_without_models_bedrock_alone_is_open_and_that_is_what_was_asked() -> None:
    (only,) = policies()
    assert only.note == ""
    assert allows(only.text, INVOKE, foundation("meta.llama4"))
    assert not allows(only.text, "s3:GetObject", "arn:aws:s3:::bucket/key")


@pytest.mark.parametrize("form", BedrockForm)
def test_bearer_tokens_are_allowed_where_the_session_becomes_one(form: BedrockForm) -> None:
    for policy in policies("eu.amazon.nova-pro-v1:0", form=form):
        assert allows(policy.text, "bedrock:CallWithBearerToken", "*") is (form is BedrockForm.API_KEY)


@pytest.mark.parametrize("name", ["*", "anthropic.*", "${aws:username}", "a?c", "x y", 'a","b', "ünicode"])
def test_a_name_that_means_more_than_itself_opens_nothing(name: str) -> None:
    for policy in policies(name):
        assert not allows(policy.text, INVOKE, foundation("anthropic.claude-sonnet-4"))
        assert "no model ids of that form" in policy.note


@pytest.mark.parametrize("partition", Session().get_available_partitions())
def test_arns_are_of_the_region_s_partition(partition: str) -> None:
    for region in Session().get_available_regions("ec2", partition_name=partition):
        text = policies("amazon.nova-pro-v1:0", region=region)[0].text
        assert f'"arn:{partition}:bedrock:{region}::foundation-model/amazon.nova-pro-v1:0"' in text


VENDORS = st.sampled_from(["anthropic", "amazon", "meta", "mistral", "newcomer"])
NAMES = st.text("abcdefghijklmnopqrstuvwxyz0123456789-", min_size=1, max_size=60)
GEOGRAPHIES = st.sampled_from(["", "us.", "eu.", "global.", "us-gov.", "za."])
MODELS = st.tuples(GEOGRAPHIES, VENDORS, NAMES)


@settings(deadline=None)
@given(st.sets(MODELS, min_size=1, max_size=60), st.sampled_from(BedrockForm))
def test_any_policy_fits_and_allows_what_was_asked_and_no_other_vendor_unless_its_note_says_so(
    models: set[tuple[str, str, str]], form: BedrockForm
) -> None:
    found = policies(*(f"{geography}{vendor}.{name}" for geography, vendor, name in models), form=form)
    assert found
    assert "every model of Bedrock" in found[-1].note
    for policy in found:
        assert len(policy.text) <= LONGEST
        for geography, vendor, name in models:
            assert allows(policy.text, STREAM, foundation(f"{vendor}.{name}"))
            if geography:
                assert allows(policy.text, STREAM, profile(f"{geography}{vendor}.{name}"))
                assert allows(policy.text, STREAM, foundation(f"{vendor}.{name}", "eu-north-1"))
        if "every model of Bedrock" not in policy.note:
            assert not allows(policy.text, INVOKE, foundation("cohere.command-r"))
            assert not allows(policy.text, INVOKE, profile("eu.cohere.command-r"))
        if not policy.note:
            vendors = {vendor for _, vendor, _ in models}
            assert not any(allows(policy.text, INVOKE, foundation(f"{vendor}.{'x' * 61}")) for vendor in vendors)
