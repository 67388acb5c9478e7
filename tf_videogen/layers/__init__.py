"""Building blocks of the models, one idea per file."""
