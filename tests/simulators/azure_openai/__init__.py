"""Azure OpenAI: the dated deployment URLs and `/openai/v1`, keys, content filters, limits and headers.

What Azure shares with OpenAI lives in `openai_chat`; here is only what differs. Entra tokens are not simulated: a
Bearer value is taken for an API key, as `/openai/v1` does.
"""
