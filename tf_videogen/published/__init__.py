"""Imports models that authors of the papers have published."""
