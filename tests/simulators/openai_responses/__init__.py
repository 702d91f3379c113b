"""OpenAI's Responses API on both surfaces: items in and out, stored responses, encrypted reasoning, events in order.

https://platform.openai.com/docs/api-reference/responses and .../responses-streaming; on Azure
https://learn.microsoft.com/azure/ai-foundry/openai/how-to/responses.
"""
