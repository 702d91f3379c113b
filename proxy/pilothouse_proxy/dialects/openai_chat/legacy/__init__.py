"""OpenAI's legacy completions: the elder sister of chat, with the same errors, usage and streams. Pure.

`peek` reads what routing needs; bodies pass through as chat's do (`openai_chat.passthrough`). `client` (`decode`,
`encode`) goes to and from the exchange: a prompt is one turn of the user's. Source: the OpenAI API reference,
Completions.
"""
