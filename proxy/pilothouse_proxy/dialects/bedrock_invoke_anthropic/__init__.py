"""Claude through Amazon Bedrock's InvokeModel: the body of Messages without `model` and `stream`, its events in frames.

What every place that serves Claude shares stands in `pilothouse_proxy.anthropic`. Source: the Amazon Bedrock user guide
("Anthropic Claude Messages API"), the service model `bedrock-runtime`. Pure.
"""
