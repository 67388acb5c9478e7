"""The package tf-videogen: what it needs and what a wheel carries.

`constraints.txt` and `constraints-2.20.txt` hold the exact sets that the tests run with, one for
each line of TensorFlow; `launch/install.sh` installs them. The bounds here are for those who
install a wheel: at both ends, it decodes, trains and evaluates.

`datasets`, `gin` and `launch` are folders of the repository's root, and `tf_videogen` has a link to
each of them. The links, not the folders, are what is packaged: `tf_videogen.datasets.<builder>`,
`tf_videogen/gin/<paper>/*.gin` and `tf_videogen.launch` work alike in a checkout, an editable
install, a wheel and a source distribution, and nothing called `gin`, `datasets` or `launch` is
installed, where it would hide gin-config or the Hugging Face library.
"""

import os
import pathlib
import re

import setuptools

ROOT = pathlib.Path(__file__).resolve().parent
README = ROOT / 'README.md'

REQUIREMENTS = [
    'absl-py>=1.4,<3',
    'av>=17,<20',  # reads and writes MP4; before 17, colours of some videos are wrong
    'gin-config>=0.5,<0.6',
    'importlib_resources>=6,<8',  # `tfds build` imports it and does not ask for it
    'isal>=1.7,<2',  # compresses PNG files in a third of zlib's time
    'matplotlib>=3.8,<4',
    'mlcroissant>=1,<2',  # as importlib_resources
    'pillow>=10.1,<13',
    'rarfile>=4.1,<5',  # UCF-101 comes as a rar archive
    'scikit-learn>=1.4,<2',
    'scipy>=1.11.4,<2',
    'setuptools>=68,<81',  # TensorFlow Hub needs pkg_resources
    'tensorflow-datasets>=4.9.8,<4.10',
    'tensorflow-hub>=0.16.1,<0.17',  # resolves handles of TF-Hub's modules
    'tqdm>=4.66,<5',
]

# By the line of TensorFlow. `tf.keras` is Keras 2 in both; with 2.20 that is a package of its own.
TENSORFLOW_REQUIREMENTS = {
    '2.15': [  # Cloud TPU's images carry it; the last one that TF-GAN and TF Addons work with
        'numpy>=1.26,<2',  # TensorFlow 2.15 is compiled against NumPy 1
        'protobuf>=4.21,<5',
        'tensorboard>=2.15,<2.16',  # TensorFlow's own; its HParams compare runs
        'tensorflow>=2.15,<2.16',
        'tensorflow-metadata>=1.13,<1.16',  # later code is made by protobuf 5
        'tf-models-official>=2.15,<2.16',  # for Orbit
    ],
    '2.20': [
        'numpy>=1.26,<3',
        'tensorboard>=2.20,<2.21',
        'tensorflow>=2.20,<2.21',
        'tf-keras>=2.20,<2.21',
        'tf-models-official>=2.20,<2.21',
    ],
}

# The extra `cuda`: what an NVIDIA GPU needs beside its driver.
CUDA_REQUIREMENTS = {
    '2.15': ['tensorflow[and-cuda]>=2.15.1,<2.16'],  # 2.15.0's asks for what no index has
    '2.20': ['tensorflow[and-cuda]>=2.20,<2.21'],
}

BEAM_REQUIREMENTS = ['apache-beam>=2.70,<3']  # the extra `beam`

TEST_REQUIREMENTS = [
    'dill>=0.3.1,<1',  # tfds.testing imports it
    'pytest>=8.1,<10',
    'pytest-xdist>=3.5,<4',  # two tests at once
    'scikit-image>=0.22,<1',  # the SSIM and PSNR that ours must equal
]

# What tests compare ours with; with no later TensorFlow, they do without.
REFERENCE_REQUIREMENTS = {
    '2.15': [
        'tensorflow-addons>=0.23,<0.24',
        'tensorflow-gan>=2.1,<2.2',
        'tensorflow-probability>=0.23,<0.24',  # of TF-GAN: the release for TensorFlow 2.15
    ],
    '2.20': [],
}


def of_line(requirements):
  """Requirements of the line that TF_VIDEOGEN_TENSORFLOW names, else of the Python's line."""
  asked = os.environ.get('TF_VIDEOGEN_TENSORFLOW')
  if asked:
    if asked not in requirements:
      raise ValueError(f'TF_VIDEOGEN_TENSORFLOW={asked}: there are {" and ".join(requirements)}')
    return requirements[asked]
  pythons = {'2.15': 'python_version < "3.12"', '2.20': 'python_version >= "3.12"'}
  return [f'{requirement}; {pythons[line]}'
          for line, of_it in requirements.items() for requirement in of_it]


def version():
  """Reads the version from `tf_videogen/__init__.py`, without importing it."""
  text = (ROOT / 'tf_videogen' / '__init__.py').read_text(encoding='utf-8')
  return re.search(r"^__version__ = '([^']+)'$", text, re.MULTILINE).group(1)


setuptools.setup(
    name='tf-videogen',
    version=version(),
    description='Video generation papers in TensorFlow 2 and Keras.',
    long_description=README.read_text(encoding='utf-8') if README.exists() else '',
    long_description_content_type='text/markdown',
    license='Apache-2.0',
    license_files=['LICENSE'],
    python_requires='>=3.10,<3.14',
    install_requires=REQUIREMENTS + of_line(TENSORFLOW_REQUIREMENTS),
    extras_require={
        'beam': BEAM_REQUIREMENTS,
        'cuda': of_line(CUDA_REQUIREMENTS),
        'test': TEST_REQUIREMENTS + BEAM_REQUIREMENTS + of_line(REFERENCE_REQUIREMENTS),
    },
    # Namespace packages as well: `datasets/` and `gin/` have no `__init__.py`.
    packages=setuptools.find_namespace_packages(
        include=['tf_videogen', 'tf_videogen.*'], exclude=['*.__pycache__', '*.__pycache__.*']),
    package_data={
        '': ['*.bib', '*.css', '*.csv', '*.gin', '*.js', '*.json', '*.md', '*.tsv', '*.txt']},
    include_package_data=False,
    entry_points={'console_scripts': ['tf-videogen = tf_videogen.launch.cli:main']},
    zip_safe=False,
)
