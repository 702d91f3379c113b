"""Any server that speaks the OpenAI API below a base URL, with a Bearer key or without one. Pure."""
