"""Which models on Bedrock embed or rerank, and in which dialect: by the tables of the dialects themselves."""

from pilothouse_api.snapshot.providers import Model
from pilothouse_proxy.dialects.bedrock_embed import models as embedding
from pilothouse_proxy.dialects.bedrock_rerank import models as rerank
from pilothouse_proxy.operations import DialectName, Operation

INVOKED = frozenset({*(row.dialect for row in embedding.ROWS.values()), DialectName.BEDROCK_RERANK})
"""All of them."""


def dialects(operation: str, model: Model) -> tuple[DialectName, ...]:
    """As `ports.Provider` says, of the operations that Converse does not have."""
    if operation is Operation.EMBEDDINGS:
        row = embedding.find(model)
        return () if row is None else (row.dialect,)
    if operation is Operation.RERANK:
        return () if rerank.find(model) is None else (DialectName.BEDROCK_RERANK,)
    return ()
