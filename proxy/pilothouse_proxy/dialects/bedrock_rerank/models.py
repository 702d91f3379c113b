"""The rerank models on Bedrock, by the prefix of the model id, and what their bodies must say beside the request."""

from collections.abc import Mapping

from pilothouse_api.snapshot.providers import Model

MODELS: Mapping[str, Mapping[str, object]] = {
    "amazon.rerank": {},
    "cohere.rerank": {"api_version": 2},
}


def find(model: Model) -> Mapping[str, object] | None:
    """By the family that the manifest names, else by the upstream name (id, profile, ARN); None: it is none of them."""
    for name in (model.family, model.upstream):
        base = "" if name is None else name.rpartition("/")[2].lower()
        for prefix, members in MODELS.items():
            if base.startswith(prefix) or base.partition(".")[2].startswith(prefix):
                return members
    return None
