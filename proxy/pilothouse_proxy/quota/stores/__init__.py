"""Where counters live. `memory`: each proxy counts alone."""
