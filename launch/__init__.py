"""Programs: train, evaluate, compare, sample, prepare, report, and others.

Each program is a module with absl flags and `main(argv)`. `python -m launch.train` from the root of
a checkout and `tf-videogen train` from anywhere run the same program.

Importing this package silences the messages that TensorFlow and its libraries print when they are
imported. It also turns on oneDNN's kernels, which TensorFlow leaves off on CPUs without AVX-512.
Their 3-D convolutions take half the time of Eigen's, and gradients for few channels a small
fraction of it. On a GPU, TensorFlow then takes memory as it needs it, not all at once. All this is
done here because these lines run before the imports of any program.
"""

import os
import warnings

import tf_videogen  # before TensorFlow: chooses its Keras

# Level 2 would suffice, but TensorFlow 2.15 prints three lines at the level of errors at every
# start ('Unable to register cuDNN factory ...'). Errors of C++ reach Python as exceptions.
os.environ.setdefault('TF_CPP_MIN_LOG_LEVEL', '3')

os.environ.setdefault('TF_ENABLE_ONEDNN_OPTS', '1')
os.environ.setdefault('TF_FORCE_GPU_ALLOW_GROWTH', 'true')

for message in (
    r'pkg_resources is deprecated as an API',  # TensorFlow Hub; setup.py keeps setuptools below 81
    r'You are using a (non-supported )?Python version',  # google.api_core, in Python 3.10 and 3.11
):
  warnings.filterwarnings('ignore', message=message)
del message, tf_videogen
