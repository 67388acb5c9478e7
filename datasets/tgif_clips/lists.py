"""The lists of TGIF: addresses by split, and the name of the file for an address."""

import tensorflow as tf

BASE_URL = 'https://raw.githubusercontent.com/raingo/TGIF-Release/master/data/splits'
FILES = {'train': 'train.txt', 'validation': 'val.txt', 'test': 'test.txt'}


def urls(path):
  """Returns the addresses in a list, in its order and without repetitions."""
  with tf.io.gfile.GFile(path) as file:
    return list(dict.fromkeys(line.strip() for line in file if line.strip()))


def file_name(url):
  """Returns the name of a GIF's file: the last part of its address."""
  return url.split('?')[0].split('#')[0].rsplit('/', 1)[-1]
