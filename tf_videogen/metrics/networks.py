"""The networks whose outputs metrics compare; they take uint8 videos.

    network = networks.FeatureNetwork('i3d_kinetics400')   # in the scope of a strategy
    outputs = network(video)     # {'logits': [B, 400], 'features': [B, 1024]}

`network.label` accompanies every number that is computed with the network. A network with random
weights, for smoke tests, needs an explicit name, 'random:i3d_kinetics400'. Its label says that it
is random.
"""

import tensorflow as tf

from tf_videogen.layers import randomness
from tf_videogen.metrics import c3d
from tf_videogen.metrics import i3d
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


class _I3DNetwork(tf.Module):
  """I3D with FVD's preprocessing: whole frames are resized bilinearly to 224x224.

  Args:
    classes: 400 or 600.
    epsilon: epsilon of batch norm.
    half_pixels: whether frames are resized by the half-pixel convention, not by the legacy one of
      TensorFlow 1.
  """

  min_frames = i3d.MIN_FRAMES

  def __init__(self, classes, epsilon=1e-3, half_pixels=False):
    super().__init__()
    self.half_pixels = half_pixels
    self.model = i3d.I3D(classes, epsilon)
    self.model.build()

  def assign(self, arrays):
    """Takes weights as `pretrained.load` returns them."""
    for name, variable in self.model.by_name().items():
      variable.assign(arrays[name])

  def __call__(self, video):
    video = repeated(video, self.min_frames)
    batch, frames = video.shape[:2]
    images = tf.reshape(video, [-1, *video.shape[2:]])  # [B, T, H, W, C] -> [B*T, H, W, C]
    images = resizing.bilinear(images, (i3d.SIZE, i3d.SIZE), half_pixels=self.half_pixels)
    images = images * (2.0 / 255.0) - 1.0
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


_MAKERS = {
    'i3d_kinetics400': lambda: _I3DNetwork(400), 'i3d_kinetics600': lambda: _I3DNetwork(600),
    # The PyTorch port of I3D with which VideoGPT's authors, and others after them, computed FVD.
    'i3d_kinetics400_port': lambda: _I3DNetwork(400, epsilon=1e-5, half_pixels=True),
    'c3d_ucf101': _C3DNetwork}
_WEIGHTS = {'i3d_kinetics400_port': 'i3d_kinetics400'}  # a port has the original weights


class FeatureNetwork:
  """A network with its weights.

  Args:
    name: 'i3d_kinetics400', 'i3d_kinetics600', 'c3d_ucf101', or 'i3d_kinetics400_port', which has
      the weights of 'i3d_kinetics400', and the epsilon and the resizing of the PyTorch port; or
      one of these names after 'random:'.

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
    if kind not in _MAKERS:
      raise ValueError(f'unknown network {name!r}; there are: {", ".join(_MAKERS)}, and, for smoke '
                       f'tests, {RANDOM}{next(iter(_MAKERS))} and so on')
    self.comparable = kind == name
    arrays = pretrained.load(_WEIGHTS.get(kind, kind)) if self.comparable else None
    self._network = _MAKERS[kind]()
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
    channels. C3D takes clips of at most 16 frames.
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
