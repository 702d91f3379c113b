"""Who is who in AWS: STS, the endpoint of container credentials, and the instance metadata service, version 2.

STS verifies signatures, trust policies, external ids, session tags, OpenID Connect tokens and the length of sessions;
what moto takes on trust is refused here as AWS refuses it. Secrets and parameters are moto's.
"""
