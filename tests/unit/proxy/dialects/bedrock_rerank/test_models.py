"""Which models rank, and what their bodies must say."""

import pytest

from pilothouse_api.names import UpstreamModel
from pilothouse_api.snapshot.providers import Model
from pilothouse_proxy.dialects.bedrock_rerank import models


@pytest.mark.parametrize(
    ("upstream", "family", "members"),
    [
        ("cohere.rerank-v3-5:0", None, {"api_version": 2}),
        ("us.cohere.rerank-v3-5:0", None, {"api_version": 2}),
        ("arn:aws:bedrock:us-west-2::foundation-model/amazon.rerank-v1:0", None, {}),
        ("arn:aws:bedrock:us-west-2:1:application-inference-profile/x", "amazon.rerank-v1", {}),
        ("cohere.embed-v4:0", None, None),
        ("arn:aws:bedrock:us-west-2:1:application-inference-profile/x", None, None),
    ],
)
def test_models_are_told_by_family_or_name(upstream: str, family: str | None, members: object) -> None:
    assert models.find(Model(upstream=UpstreamModel(upstream), family=family)) == members
