"""A model directory: what is where in it, and who reads and writes it."""
