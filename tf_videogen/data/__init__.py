"""Clips for training and evaluation; reading and writing videos."""
