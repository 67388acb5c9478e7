"""Building blocks of the models, one idea a file."""
