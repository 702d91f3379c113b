"""InvokeModel and InvokeModelWithResponseStream: each family of models in its native body.

`dispatch` finds the family of a model in its table and frames what the family says; one file a family reads a body,
refuses what the real one refuses, and answers. Source: the Amazon Bedrock user guide, "Inference request parameters and
response fields for foundation models"; wording of refusals from public reports.
"""
