"""Tasks: a model, its objective, how to evaluate it and how to sample from it."""
