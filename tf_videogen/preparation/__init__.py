"""Turns raw videos into TFDS data sets: decoding, builders, and reports."""
