"""Programs: train, evaluate, compare, sample, prepare, report, and others.

The command `tf-videogen` runs them, too.

Each is a module with absl flags and `main(argv)`. `python -m launch.train` from the root of a
checkout and `tf-videogen train` from anywhere are the same program.

Importing this package quiets what TensorFlow and its libraries say when they are imported, and
chooses oneDNN's kernels, which TensorFlow leaves off on processors without AVX-512: its 3-D
convolutions take half the time of Eigen's, and gradients of few channels a small part of it. On a
GPU, TensorFlow takes memory as it needs it, and not all that there is. It is done here because
these lines run before any program's imports.
"""

import os
import warnings

import tf_videogen  # before TensorFlow: chooses its Keras

# 2 would do, but for three lines at the level of errors that TensorFlow 2.15 prints at every start
# ('Unable to register cuDNN factory ...'). What C++ calls an error reaches Python as an exception.
os.environ.setdefault('TF_CPP_MIN_LOG_LEVEL', '3')

os.environ.setdefault('TF_ENABLE_ONEDNN_OPTS', '1')
os.environ.setdefault('TF_FORCE_GPU_ALLOW_GROWTH', 'true')

for message in (
    r'pkg_resources is deprecated as an API',  # TensorFlow Hub; setup.py keeps setuptools below 81
    r'You are using a (non-supported )?Python version',  # google.api_core, of 3.10 and of 3.11
):
  warnings.filterwarnings('ignore', message=message)
del message, tf_videogen
