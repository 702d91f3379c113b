"""Google: a node's metadata server, sign-in by key and by token exchange, IAM Credentials, Secret Manager.

After the API pages of Google Cloud; google-auth works against it unmodified.
"""
