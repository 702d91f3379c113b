"""Which row a model has."""

import pytest

from pilothouse_api.names import UpstreamModel
from pilothouse_api.snapshot.providers import Model
from pilothouse_proxy.dialects.bedrock_embed import models
from pilothouse_proxy.errors import GatewayError, Kind

ARN = "arn:aws:bedrock:us-east-1:123456789012:application-inference-profile/a1b2c3d4e5f6"


def model(upstream: str, family: str | None = None) -> Model:
    return Model(upstream=UpstreamModel(upstream), family=family)


@pytest.mark.parametrize(
    ("upstream", "family"),
    [
        ("amazon.titan-embed-text-v1:2:8k", "Titan Embeddings G1"),
        ("amazon.titan-embed-text-v2:0", "Titan Text Embeddings V2"),
        ("amazon.titan-embed-image-v1:0", "Titan Multimodal Embeddings"),
        ("us.amazon.nova-2-multimodal-embeddings-v1:0", "Nova Multimodal Embeddings"),
        ("cohere.embed-english-v3:0:512", "Cohere Embed v3"),
        ("global.cohere.embed-v4:0", "Cohere Embed v4"),
        ("arn:aws:bedrock:us-east-1::foundation-model/cohere.embed-multilingual-v3", "Cohere Embed v3"),
        ("arn:aws:bedrock:eu-west-1:1:inference-profile/eu.twelvelabs.marengo-embed-3-0-v1:0", "Marengo Embed 3.0"),
    ],
)
def test_ids_profiles_and_arns_are_told_by_their_base(upstream: str, family: str) -> None:
    assert models.row(model(upstream)).family == family


@pytest.mark.parametrize("family", ["cohere.embed-v4", "embed-v4", "Cohere.Embed-v4:0"])
def test_the_family_tells_what_an_opaque_arn_does_not(family: str) -> None:
    assert models.row(model(ARN, family)).family == "Cohere Embed v4"


@pytest.mark.parametrize("upstream", [ARN, "amazon.nova-2-lite-v1:0", "cohere.command-r-v1:0", "", "x/", "embed"])
def test_other_models_embed_nothing(upstream: str) -> None:
    assert models.find(model(upstream)) is None
    with pytest.raises(GatewayError) as refused:
        models.row(model(upstream))
    assert refused.value.kind is Kind.UNSUPPORTED
