"""Video generation papers in TensorFlow 2 and Keras: one suite of parts, a file for each paper.

This file imports nothing, so that `tf-videogen --help` does not wait for TensorFlow.
"""

__version__ = '0.1.0'
