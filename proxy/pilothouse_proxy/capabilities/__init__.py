"""What is known of models, as data with its source: dialects refuse by it, providers choose by it. Pure."""
