"""Anthropic's Messages, the half that faces providers: what its dialects share. Pure.

Claude is reached in three places with one body and one stream of events: Anthropic's own API, the Messages surface of
Amazon Bedrock, and Bedrock's InvokeModel. Dialects stand above and add where they differ; nothing here knows a place
but by `body.Surface`.
"""
