"""Anthropic's API: Messages, token counts, models. What a request may hold is told by the types of Anthropic's own SDK.

Its address ends in `/anthropic`, as that of Claude in Microsoft's Foundry does.
"""
