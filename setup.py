"""The package tf-videogen: what it needs and what a wheel carries.

`constraints.txt` holds the exact set that the tests run with; `launch/install.sh` installs it.

`datasets`, `gin` and `launch` are folders of the repository's root, and `tf_videogen` has a link to
each of them. The links, not the folders, are what is packaged: `tf_videogen.datasets.<builder>`,
`tf_videogen/gin/<paper>/*.gin` and `tf_videogen.launch` work alike in a checkout, an editable
install, a wheel and a source distribution, and nothing called `gin`, `datasets` or `launch` is
installed, where it would hide gin-config or the Hugging Face library.
"""

import pathlib
import re

import setuptools

ROOT = pathlib.Path(__file__).resolve().parent
README = ROOT / 'README.md'

# TensorFlow 2.15 is the last release with Keras 2, on which TensorFlow Addons, TF-GAN and the
# Orbit of tf-models-official all work, and the last whose TPU runtimes they have been seen on.
REQUIREMENTS = [
    'absl-py',
    'av',  # reads and writes MP4
    'gin-config==0.5.0',
    'importlib_resources',  # `tfds build` imports it and does not ask for it
    'isal',  # compresses PNG files in a third of zlib's time
    'matplotlib',
    'mlcroissant',  # likewise
    'numpy<2',  # TensorFlow 2.15 is compiled against NumPy 1
    'pillow',
    'rarfile',  # UCF-101 comes as a rar archive
    'scikit-learn',
    'scipy',
    'setuptools<81',  # TensorFlow Hub, which TF-GAN imports, needs pkg_resources
    'tensorflow>=2.15,<2.16',  # the images of TPU VMs carry 2.15.0
    'tensorflow-addons==0.23.0',  # the last release
    'tensorflow-datasets==4.9.*',
    'tensorflow-gan==2.1.0',
    'tensorflow-hub',  # resolves handles of TF-Hub's modules
    'tensorflow-metadata<1.16',  # later code is made by protobuf 5, TensorFlow 2.15 stops at 4
    'tensorflow-probability==0.23.0',  # the release for TensorFlow 2.15
    'tf-models-official==2.15.0',  # for Orbit
    'tqdm',
]

TEST_REQUIREMENTS = [
    'apache-beam',  # the extra `beam`
    'dill',  # tfds.testing imports it
    'pytest>=8.1',
    'pytest-xdist',  # two tests at once
    'scikit-image',  # the SSIM and PSNR that ours must equal
]


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
    python_requires='>=3.10,<3.12',
    install_requires=REQUIREMENTS,
    extras_require={'beam': ['apache-beam'], 'test': TEST_REQUIREMENTS},
    # Namespace packages as well: `datasets/` and `gin/` have no `__init__.py`.
    packages=setuptools.find_namespace_packages(
        include=['tf_videogen', 'tf_videogen.*'], exclude=['*.__pycache__', '*.__pycache__.*']),
    package_data={'': ['*.bib', '*.csv', '*.gin', '*.json', '*.md', '*.tsv', '*.txt']},
    include_package_data=False,
    entry_points={'console_scripts': ['tf-videogen = tf_videogen.launch.cli:main']},
    zip_safe=False,
)
