"""Files of arrays that `clips.FileClips` reads: what must be in them."""

import numpy as np
import tensorflow as tf

from tf_videogen import files


def forms(arrays):
  """Returns the shape of each array without the axes N and frames: name -> list."""
  return {name: list(array.shape[2:]) for name, array in sorted(arrays.items())}


def load(path):
  """Reads `video`, and `actions` and `label` if present, from an .npz or .npy; checks them."""
  if not tf.io.gfile.exists(path):
    raise FileNotFoundError(f'there is no file {path}')
  arrays = files.read_arrays(path, ('video', 'actions', 'label'), mapped=True)
  if '' in arrays:  # an .npy file
    arrays = {'video': arrays['']}
  elif 'video' not in arrays:
    there = ', '.join(files.read_arrays(path)) or 'nothing'
    raise ValueError(f'{path} has no array `video`; it has: {there}')
  expected = {
      'video': ('uint8 [N, frames, H, W, C]', 5, np.uint8),
      'actions': ('numbers [N, frames, A]', 3, np.number),
      'label': ('integers [N]', 1, np.integer),
  }
  for name, array in arrays.items():
    form, rank, kind = expected[name]
    shared = min(rank, 2)  # N and frames must equal the video's
    if (array.ndim != rank or not np.issubdtype(array.dtype, kind)
        or array.shape[:shared] != arrays['video'].shape[:shared]):
      raise ValueError(
          f'`{name}` in {path} must be {form}, got {array.dtype} {list(array.shape)} '
          f'beside `video` {list(arrays["video"].shape)}')
  return arrays
