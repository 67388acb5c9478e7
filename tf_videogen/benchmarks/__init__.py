"""Benchmarks of `launch.benchmark`: models, data, metrics, and the memory of sampling."""
