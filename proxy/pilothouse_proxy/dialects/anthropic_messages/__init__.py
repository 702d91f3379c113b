"""Anthropic's Messages API, from clients and to providers. Pure.

What every place that serves Claude shares stands in `pilothouse_proxy.anthropic`. Source: Anthropic's API reference and
the types of its SDK.
"""
