"""Training with Orbit: trainer, evaluator, optimizers, strategies, precision, logs."""
