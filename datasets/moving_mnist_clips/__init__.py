"""Videos of bouncing handwritten digits: Moving MNIST, and variants that need no download."""
