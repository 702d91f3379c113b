"""Azure OpenAI: the dated deployment URLs and `/openai/v1`, keys, content filters, limits and headers.

What Azure shares with OpenAI lives in `openai_chat`; here is only what differs. A Bearer value is an Entra token, or on
`/openai/v1` an API key.
"""
