"""Training loops on Orbit: trainer, evaluator, optimizers, strategies, precision, logs."""
