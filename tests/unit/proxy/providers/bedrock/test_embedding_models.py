"""Which operations are put to which models in which dialect, and where."""

import pytest

from pilothouse_api.names import UpstreamModel
from pilothouse_api.snapshot.providers import Model
from pilothouse_proxy import translation
from pilothouse_proxy.operations import DialectName, Operation
from pilothouse_proxy.providers.bedrock import embedding_models, surfaces

D = DialectName


@pytest.mark.parametrize(
    ("operation", "upstream", "dialects"),
    [
        (Operation.EMBEDDINGS, "amazon.titan-embed-text-v1", (D.BEDROCK_TITAN_EMBED,)),
        (Operation.EMBEDDINGS, "amazon.titan-embed-image-v1", (D.BEDROCK_TITAN_MULTIMODAL,)),
        (Operation.EMBEDDINGS, "amazon.nova-2-multimodal-embeddings-v1:0", (D.BEDROCK_NOVA_EMBED,)),
        (Operation.EMBEDDINGS, "us.cohere.embed-v4:0", (D.BEDROCK_COHERE_EMBED,)),
        (Operation.EMBEDDINGS, "twelvelabs.marengo-embed-2-7-v1:0", (D.BEDROCK_MARENGO,)),
        (Operation.EMBEDDINGS, "amazon.nova-lite-v1:0", ()),
        (Operation.EMBEDDINGS, "cohere.rerank-v3-5:0", ()),
        (Operation.RERANK, "cohere.rerank-v3-5:0", (D.BEDROCK_RERANK,)),
        (Operation.RERANK, "amazon.rerank-v1:0", (D.BEDROCK_RERANK,)),
        (Operation.RERANK, "cohere.embed-v4:0", ()),
        (Operation.CHAT, "cohere.embed-v4:0", ()),
    ],
)
def test_dialects_by_model(operation: Operation, upstream: str, dialects: tuple[DialectName, ...]) -> None:
    assert embedding_models.dialects(operation, Model(upstream=UpstreamModel(upstream))) == dialects


def test_every_dialect_of_invoke_model_has_a_path() -> None:
    spoken = {*translation.EMBEDDING_PROVIDERS, *translation.RERANK_PROVIDERS}
    assert spoken == embedding_models.INVOKED
    assert {surfaces.NATIVE[dialect][0] for dialect in spoken} == {"invoke"}
