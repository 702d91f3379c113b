"""Azure Key Vault's `GET /secrets/{name}/{version}` over HTTPS: the challenge, tokens of the Entra simulator, versions.

azure-keyvault-secrets reads from it unmodified.
"""
