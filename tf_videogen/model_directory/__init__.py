"""The files of a model directory: checkpoints, results, lock, and notes on clips and progress."""
