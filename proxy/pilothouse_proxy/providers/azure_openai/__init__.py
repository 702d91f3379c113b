"""Azure OpenAI, in both forms of its URLs: v1, and a dated API version below a deployment. Pure."""
