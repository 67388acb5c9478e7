"""Raw videos made into TFDS data sets: decoding, builders, and what came of it."""
