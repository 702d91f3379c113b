"""Amazon Bedrock's runtime: Converse and ConverseStream, signed with AWS Signature Version 4 or with an API key. Pure.

`endpoint` builds the path, `sign` the headers, `classify` reads the error answers; `provider` puts them together.
"""
