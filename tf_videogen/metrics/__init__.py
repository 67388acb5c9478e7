"""Metrics of generated and reconstructed videos."""
