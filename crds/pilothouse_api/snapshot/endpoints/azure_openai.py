"""One Azure OpenAI resource."""

import msgspec


class AzureOpenAIEndpoint(
    msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, tag_field="kind", tag="azureOpenAI"
):
    """`url` is the resource (`https://{resource}.openai.azure.com`, no path).

    `api_version` is `v1` for `{url}/openai/v1/…`, else a dated version for
    `{url}/openai/deployments/{deployment}/…?api-version=`.
    """

    url: str
    api_version: str = "v1"
