"""OpenAI's Responses API without its memory, as clients speak it and as OpenAI and Azure OpenAI do. Pure.

`peek` reads what routing needs; `passthrough` and `relay` carry bytes between two speakers of the same dialect. Towards
clients: `decode` and `items` read requests, `output` and `stream` write answers. Towards providers: `ask` and `history`
write requests, `answer` and `reading` read answers. Source: the OpenAI API reference, Responses.
"""
