"""TGIF: a hundred thousand animated GIFs from Tumblr."""
