"""Entra ID's token endpoint over HTTPS, and the endpoints of managed identities (IMDS, App Service) over HTTP.

What it knows stands in a `directory.Directory`; what it issues are JWTs that `tokens.verified` checks with the public
keys alone. azure-identity signs in to it unmodified, with a CA file of `wire.tls`.
"""
