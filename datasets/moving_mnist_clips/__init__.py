"""Videos of handwritten digits that bounce: Moving MNIST, and its kin without a download."""
