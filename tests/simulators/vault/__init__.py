"""A Vault: Kubernetes auth, tokens with leases, KV version 2, sealed and standby on demand.

After the API pages of Vault and the refusals of vault-plugin-auth-kubernetes; hvac works against it unmodified.
"""
