"""Bedrock runtime: Converse and ConverseStream behind Signature Version 4.

Requests are checked against the service model that botocore carries, then against the refusals the service adds.
InvokeModel, API keys (bearer) and the control plane are not simulated: their paths answer as unknown operations.
"""
