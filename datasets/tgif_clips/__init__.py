"""TGIF: a hundred thousand animated GIFs of Tumblr."""
