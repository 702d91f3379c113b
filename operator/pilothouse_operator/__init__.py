"""The control plane: watches resources and Secrets, compiles snapshots, hands them to proxies and writes status."""
