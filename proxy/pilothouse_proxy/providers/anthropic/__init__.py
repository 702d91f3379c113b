"""Anthropic's API, and any server that speaks it below a base URL, Claude in Microsoft's Foundry among them. Pure."""
