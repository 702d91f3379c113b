"""Amazon Bedrock's Converse and ConverseStream: the exchange to and from AWS's neutral model API. Pure.

`capabilities` holds what each model family takes; `encode` refuses the rest by name. Source: the Amazon Bedrock API
reference and user guide (Converse, supported models and model features), the service model `bedrock-runtime`.
"""
