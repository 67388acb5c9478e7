"""The networks whose outputs metrics compare; they take uint8 videos.

    network = networks.FeatureNetwork('i3d_kinetics400')   # in the scope of a strategy
    outputs = network(video)     # {'logits': [B, 400], 'features': [B, 1024]}

`network.label` accompanies every number that is computed with the network. A network with random
weights, for smoke tests, needs an explicit name, 'random:i3d_kinetics400'. Its label says that it
is random.
"""

import math
import os

import tensorflow as tf

from tf_videogen.layers import randomness
from tf_videogen.metrics import c3d
from tf_videogen.metrics import i3d
from tf_videogen.metrics import lpips
from tf_videogen.metrics import pretrained
from tf_videogen.metrics import resizing

RANDOM = 'random:'
NOT_COMPARABLE = 'random-network, not comparable'


def repeated(video, frames):
  """Repeats a clip [B, T, H, W, C] from its start to `frames` frames; longer clips stay unchanged.

  Carreira and Zisserman treat short videos like this (section 3): "we repeated the video as many
  times as necessary".
  """
  if video.shape[1] >= frames:
    return video
  return tf.gather(video, tf.range(frames) % video.shape[1], axis=1)


# Changes to I3D and its preprocessing that other code makes, on purpose or not. Names of networks
# may have them, as in 'i3d_kinetics400+half_pixels+crop'.
CHANGES = {
    'half_pixels': 'frames are resized by the half-pixel convention, not by the legacy one',
    'crop': 'the shorter side is scaled to 224 and the middle cut out, instead of squeezing frames',
    'values_0_1': 'values of pixels are in [0, 1], not in [-1, 1]',
    'values_half': 'values of pixels are in [-0.5, 0.5], not in [-1, 1]',
    'bgr': 'red and blue are swapped',
    'epsilon': 'the epsilon of batch norm is 1e-5, not 1e-3',
    'tf32': 'factors of convolutions are rounded to 10 bits, as TensorFloat-32 does'}
_VALUES = {'values_0_1': (0.0, 1.0), 'values_half': (-0.5, 0.5)}


class _I3DNetwork(tf.Module):
  """I3D with FVD's preprocessing: whole frames are resized bilinearly to 224x224.

  Args:
    classes: 400 or 600.
    changes: names of CHANGES.
  """

  min_frames = i3d.MIN_FRAMES

  def __init__(self, classes, changes=()):
    super().__init__()
    self._changes = set(changes)
    self._values = next((_VALUES[name] for name in changes if name in _VALUES), (-1.0, 1.0))
    self.model = i3d.I3D(classes, 1e-5 if 'epsilon' in changes else 1e-3,
                         mantissa_bits=10 if 'tf32' in changes else None)
    self.model.build()

  def assign(self, arrays):
    """Takes weights as `pretrained.load` returns them."""
    for name, variable in self.model.by_name().items():
      variable.assign(arrays[name])

  def __call__(self, video):
    video = repeated(video, self.min_frames)
    batch, frames = video.shape[:2]
    images = tf.reshape(video, [-1, *video.shape[2:]])  # [B, T, H, W, C] -> [B*T, H, W, C]
    size = (i3d.SIZE, i3d.SIZE)
    if 'crop' in self._changes:
      scale = i3d.SIZE / min(images.shape[1:3])
      size = tuple(max(i3d.SIZE, math.ceil(side * scale)) for side in images.shape[1:3])
    images = resizing.bilinear(images, size, half_pixels='half_pixels' in self._changes)
    top, left = ((side - i3d.SIZE) // 2 for side in size)
    images = images[:, top:top + i3d.SIZE, left:left + i3d.SIZE]
    low, high = self._values
    images = images * ((high - low) / 255.0) + low
    if 'bgr' in self._changes:
      images = images[..., ::-1]
    return self.model(tf.reshape(images, [batch or -1, frames, i3d.SIZE, i3d.SIZE, 3]))


class _C3DNetwork(tf.Module):
  """C3D with TGANv2's preprocessing."""

  min_frames = c3d.FRAMES

  def __init__(self):
    super().__init__()
    self.model = c3d.C3D()
    self.model.build((None, c3d.FRAMES, c3d.SIZE, c3d.SIZE, 3))
    self.mean = tf.Variable(tf.zeros([c3d.FRAMES, c3d.SIZE, c3d.SIZE, 3]), trainable=False)

  def assign(self, arrays):
    """Takes weights as `pretrained.load` returns them."""
    names = pretrained.listing('c3d_ucf101')
    c3d.assign(self.model, {name: arrays[name] for name in names})
    self.mean.assign(c3d.crop_of_mean(arrays['mean']))

  def __call__(self, video):
    return self.model(c3d.preprocess(repeated(video, self.min_frames), self.mean))


class _LPIPSNetwork(tf.Module):
  """LPIPS of the frames in the first half of a clip and those in the second half."""

  min_frames = 2

  def __init__(self):
    super().__init__()
    self.model = lpips.LPIPS()

  def assign(self, arrays):
    """Takes weights as `pretrained.load` returns them."""
    for name, variable in self.model.by_name().items():
      variable.assign(arrays[name])

  def __call__(self, video):
    batch, frames = video.shape[:2]
    images = tf.cast(video, tf.float32) * (2.0 / 255.0) - 1.0
    sides = [tf.reshape(side, [-1, *video.shape[2:]]) for side in tf.split(images, 2, 1)]
    return {'distances': tf.reshape(self.model(*sides), [batch or -1, frames // 2])}


class _GivenNetwork(tf.Module):
  """A network of images that the user gives, a SavedModel: FID of single frames.

  Calling it takes float32 [N, H, W, 3] in [0, 255], and returns float32 [N, D].
  """

  min_frames = 1

  def __init__(self, path):
    super().__init__()
    if not tf.io.gfile.exists(os.path.join(path, 'saved_model.pb')):
      raise ValueError(f'{path} is no SavedModel: it has no saved_model.pb')
    self.model = tf.saved_model.load(path)
    reader = tf.train.load_checkpoint(os.path.join(path, 'variables', 'variables'))
    self.weights = {name: reader.get_tensor(name) for name, dtype in
                    reader.get_variable_to_dtype_map().items() if dtype != tf.string}

  def __call__(self, video):
    batch, frames = video.shape[:2]
    images = tf.reshape(tf.cast(video, tf.float32), [-1, *video.shape[2:]])
    features = self.model(images)
    return {'frames': tf.reshape(features, [batch or -1, frames, features.shape[-1]])}


GIVEN = 'saved_model:'
_MAKERS = {
    'i3d_kinetics400': lambda changes=(): _I3DNetwork(400, changes),
    'i3d_kinetics600': lambda: _I3DNetwork(600),
    # The PyTorch port of I3D with which VideoGPT's authors, and others after them, computed FVD.
    'i3d_kinetics400_port': lambda: _I3DNetwork(400, ('half_pixels', 'epsilon')),
    'c3d_ucf101': _C3DNetwork, 'lpips_alexnet': _LPIPSNetwork}
_WEIGHTS = {'i3d_kinetics400_port': 'i3d_kinetics400'}  # a port has the original weights


class FeatureNetwork:
  """A network with its weights.

  Args:
    name: 'i3d_kinetics400', 'i3d_kinetics600', 'c3d_ucf101', 'lpips_alexnet', or
      'i3d_kinetics400_port', which has the weights of 'i3d_kinetics400', and the epsilon and the
      resizing of the PyTorch port; or
      'i3d_kinetics400+' and names of CHANGES, joined by '+'; or one of these names after 'random:'.
      Or 'saved_model:' and the path of a network of images, which is called with float32
      [N, H, W, 3] in [0, 255] and returns float32 [N, D].

  Raises:
    pretrained.Missing: if the weights are not in the cache.
    ValueError: if the name is unknown or the weights are wrong.

  Attributes:
    name: the `name` argument.
    label: the name and the fingerprint of the weights, or NOT_COMPARABLE for random weights.
    comparable: whether the weights are the published ones.
    min_frames: clips with fewer frames are repeated from their start.
  """

  def __init__(self, name):
    self.name = name
    kind = name.removeprefix(RANDOM)
    base, *changes = kind.split('+')
    if kind.startswith(GIVEN):
      self._network = _GivenNetwork(kind.removeprefix(GIVEN))
      self.min_frames = self._network.min_frames
      self.comparable = True
      self.label = 'given@' + pretrained.fingerprint(self._network.weights)
      return
    if changes and base == 'i3d_kinetics400' and set(changes) <= set(CHANGES):
      make = lambda: _MAKERS[base](changes)
    elif kind in _MAKERS:
      make = _MAKERS[kind]
    else:
      raise ValueError(f'unknown network {name!r}; there are: {", ".join(_MAKERS)}, and, for smoke '
                       f'tests, {RANDOM}{next(iter(_MAKERS))} and so on')
    self.comparable = kind == name
    arrays = pretrained.load(_WEIGHTS.get(base, base)) if self.comparable else None
    self._network = make()
    self.min_frames = self._network.min_frames
    if self.comparable:
      self._network.assign(arrays)
      self.label = f'{kind}@{pretrained.fingerprint(arrays)}'
    else:
      _randomize(self._network.model)
      self.label = NOT_COMPARABLE

  def __call__(self, video):
    """uint8 [B, T, H, W, C], T, H, W static, C 1 or 3 -> dict of float32 'logits', 'features'.

    See `i3d.I3D.call` and `c3d.C3D.call` for the outputs. Grey frames are repeated to three
    channels. C3D takes clips of at most 16 frames. A given network has 'frames', [B, T, D]. LPIPS
    has 'distances' [B, T / 2], of the frames in the first half of a clip and those in the second.
    """
    if video.dtype != tf.uint8 or video.shape.rank != 5 or video.shape[-1] not in (1, 3):
      raise ValueError(f'video must be uint8 [B, T, H, W, C] with C 1 or 3, got {video.dtype.name} '
                       f'{video.shape}')
    if video.shape[-1] == 1:
      video = tf.repeat(video, 3, axis=-1)
    return self._network(video)


def _randomize(model):
  """Draws kernels, always the same ones; outputs are about as large as inputs (He et al. 2015)."""
  for number, variable in enumerate(model.trainable_variables):
    if variable.shape.rank > 1:
      inputs = variable.shape.num_elements() // variable.shape[-1]
      variable.assign(randomness.normal(variable.shape, randomness.seed_of(number))
                      * (2.0 / inputs)**0.5)
