"""InvokeModel and InvokeModelWithResponseStream: the exchange to and from the native bodies of the text models. Pure.

One file a family says its body and reads its answers; `said` is what they have in common, `rows` what each takes, with
the sources. `turns` orders the conversation, `prompts` writes it where a family wants one text, `reading` and `stream`
make replies and events of what the families read. Source of all bodies: the Amazon Bedrock user guide, "Inference
request parameters and response fields for foundation models".
"""
