"""Clips for training and evaluation, from what was prepared; videos written and laid out."""
