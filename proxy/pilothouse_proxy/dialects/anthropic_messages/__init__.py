"""Anthropic's Messages, as clients speak it and as Anthropic-shaped providers do. Pure.

`peek` and `versions` read what routing needs; `decode`, `blocks`, `encode` and `chunks` go to and from the exchange;
`passthrough` and `relay` let bytes pass. What every place that serves Claude shares stands in
`pilothouse_proxy.anthropic`. Source: the Claude API reference, Messages, and the types of Anthropic's SDK.
"""
