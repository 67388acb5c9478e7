"""C3D, fine-tuned on UCF-101: the classifier of Inception Scores on UCF-101.

Tran, Bourdev, Fergus, Torresani and Paluri, "Learning Spatiotemporal Features with 3D Convolutional
Networks", ICCV 2015, section 3.3, figure 3. It has 78,409,573 parameters for 101 classes. It is
used for evaluation only, so it has no dropout.

The preprocessing follows the evaluation code of TGANv2 (Saito et al., "Train Sparsely, Generate
Densely", IJCV 2020), github.com/pfnet-research/tgan2. Frames are resized to 112 x 112 pixels with
aligned corners. A mean clip, cropped at (8, 8), is subtracted. The weights
(conv3d_deepnetA_ucf.npz) and the mean (mean2.npz) are files of its release v1.0. `assign` and
`crop_of_mean` take their arrays.

Scores from the code of the first TGAN are not comparable. That code resizes frames to 128 x 128
pixels with cubic interpolation, subtracts the centre of the mean, and crops the difference.
"""

import numpy as np
import tensorflow as tf

from tf_videogen.layers import full_precision
from tf_videogen.metrics import resizing

CLASSES = 101
FRAMES = 16
SIZE = 112  # height and width of the input, pixels
_CROP = 8  # top and left edge of the crop of the mean, pixels
_MEAN_SIZES = ((128, 171), (128, 128))  # heights and widths of flat means

# Channels, in multiples of the width.
_CONVOLUTIONS = {'conv1a': 1, 'conv2a': 2, 'conv3a': 4, 'conv3b': 4, 'conv4a': 8, 'conv4b': 8,
                 'conv5a': 8, 'conv5b': 8}
# The max pool after a convolution: frames, rows, columns.
_POOLS = {'conv1a': (1, 2, 2), 'conv2a': (2, 2, 2), 'conv3b': (2, 2, 2), 'conv4b': (2, 2, 2),
          'conv5b': (2, 2, 2)}
_POOLED_CELLS = 1 * 4 * 4  # frames, rows and columns after all pools


class C3D(tf.keras.Model):
  """The network: eight convolutions of 3x3x3, five max pools, three dense layers.

  Its variables are zeros until `assign` sets them. They are float32 under any precision policy,
  because a metric must not depend on how a model is trained. The first convolution's output takes
  51 MB per clip at the paper's width.

  Args:
    classes: number of classes, the outputs of the last layer.
    width: channels of the first convolution; the others have 2, 4 and 8 times as many.
    hidden: number of units of fc6 and of fc7.
  """

  def __init__(self, classes=CLASSES, width=64, hidden=4096, name='c3d'):
    super().__init__(name=name, dtype='float32')
    self.width = width
    self.convolutions = {
        layer: tf.keras.layers.Conv3D(width * multiple, 3, padding='same',
                                      kernel_initializer='zeros', name=layer, dtype='float32')
        for layer, multiple in _CONVOLUTIONS.items()}
    self.fc6, self.fc7, self.fc8 = [
        tf.keras.layers.Dense(units, kernel_initializer='zeros', name=name, dtype='float32')
        for name, units in (('fc6', hidden), ('fc7', hidden), ('fc8', classes))]

  def build(self, input_shape=None):
    """Creates the variables. The input always has the same shape, so `input_shape` is ignored."""
    del input_shape
    channels = 3
    for layer in self.convolutions.values():
      layer.build([None, None, None, None, channels])
      channels = layer.filters
    self.fc6.build([None, channels * _POOLED_CELLS])
    self.fc7.build([None, self.fc6.units])
    self.fc8.build([None, self.fc7.units])
    self.built = True

  def call(self, video):
    """Computes features and logits.

    Args:
      video: float32 [B, 16, 112, 112, 3], BGR minus the mean, from `preprocess`.

    Returns:
      A dict.
        features: float32 [B, hidden], fc7 after its ReLU, which the FID of TGANv2 compares.
        logits: float32 [B, classes], before the softmax.

    Raises:
      ValueError: if the video has another type or shape.
    """
    if video.dtype != tf.float32 or video.shape[1:] != (FRAMES, SIZE, SIZE, 3):
      raise ValueError(f'C3D: video must be float32 [B, {FRAMES}, {SIZE}, {SIZE}, 3], got '
                       f'{video.dtype.name} of shape {video.shape}; preprocess makes it')
    x = video
    for name, layer in self.convolutions.items():
      x = tf.nn.relu(tf.nn.bias_add(full_precision.conv3d(x, layer.kernel), layer.bias))
      if name in _POOLS:  # an incomplete window at an edge is pooled too: 7 -> 4
        x = tf.nn.max_pool3d(x, _POOLS[name], _POOLS[name], 'SAME')
    x = tf.transpose(x, [0, 4, 1, 2, 3])  # [B, T, H, W, C] -> [B, C, T, H, W]
    x = tf.reshape(x, [-1, 8 * self.width * _POOLED_CELLS])  # -> [B, C * T * H * W]
    x = tf.nn.relu(_dense(self.fc6, x))
    features = tf.nn.relu(_dense(self.fc7, x))
    return {'features': features, 'logits': _dense(self.fc8, features)}


def _dense(layer, x):
  return full_precision.matmul(x, layer.kernel) + layer.bias


def preprocess(video, mean):
  """Makes the network's input: 128 * (video / 127.5 - 1) + 128 - mean, resized, in BGR.

  Values are scaled by 256 / 255, because the evaluation code multiplies videos in [-1, 1] by 128.
  Frames are resized bilinearly with aligned corners: pixel i of n is read at the input's coordinate
  i (n_in - 1) / (n - 1).

  Args:
    video: uint8 [B, 16, H, W, 3], RGB.
    mean: float32 [16, 112, 112, 3], BGR, from `crop_of_mean`.

  Returns:
    float32 [B, 16, 112, 112, 3], BGR, values from 0 to 256 minus the mean.

  Raises:
    ValueError: if the video has another type or number of frames or channels, or the mean has
      another shape.
  """
  video, mean = tf.convert_to_tensor(video), tf.convert_to_tensor(mean, tf.float32)
  if (video.dtype != tf.uint8 or video.shape.rank != 5 or video.shape[1] != FRAMES
      or video.shape[4] != 3):
    raise ValueError(f'preprocess: video must be uint8 [B, {FRAMES}, H, W, 3] (grey repeated to 3 '
                     f'channels), got {video.dtype.name} of shape {video.shape}')
  if mean.shape != (FRAMES, SIZE, SIZE, 3):
    raise ValueError(f'preprocess: mean must be [{FRAMES}, {SIZE}, {SIZE}, 3], got shape '
                     f'{mean.shape}; crop_of_mean makes it')
  x = 128. * (tf.cast(video, tf.float32) / 127.5 - 1.)
  x = tf.reverse(x, [4])  # RGB -> BGR
  # [B, 16, H, W, 3] -> [B*16, H, W, 3]
  x = tf.reshape(x, tf.concat([[-1], tf.shape(video)[2:]], axis=0))
  x = resizing.bilinear(x, (SIZE, SIZE), align_corners=True)
  x = tf.reshape(x, [-1, FRAMES, SIZE, SIZE, 3])  # [B*16, 112, 112, 3] -> [B, 16, 112, 112, 3]
  return x + (128. - mean)


def assign(model, arrays):
  """Sets the weights of a model from an .npz that Chainer wrote; on an error, sets none of them.

  Kernels are conv1a/W to conv5b/W, [O, I, 3, 3, 3], and fc6/W to fc8/W, [out, in]. The inputs of
  fc6 are in the order C, T, H, W. Biases are conv1a/b to fc8/b.

  Args:
    model: a built C3D.
    arrays: name -> array, such as np.load(file, allow_pickle=False). A name may begin with a slash.

  Raises:
    ValueError: if the model is not built, if names are missing or unknown, or if shapes differ.
  """
  if not model.built:
    raise ValueError('assign: model has no variables yet; call model.build() first')
  variables = _by_name(model)
  given = {name.lstrip('/'): name for name in arrays}
  missing, extra = variables.keys() - given.keys(), given.keys() - variables.keys()
  faults = [f'{what} {", ".join(sorted(names))}'
            for what, names in (('missing', missing), ('unknown', extra)) if names]
  values = {}
  for name in sorted(variables.keys() & given.keys()):
    variable, axes = variables[name]
    value = np.asarray(arrays[given[name]])
    expected = tuple(variable.shape[axes.index(i)] for i in range(len(axes)))
    if value.shape == expected:
      values[name] = value.transpose(axes)
    else:
      faults.append(f'{name} of shape {value.shape}, expected {expected}')
  if faults:
    raise ValueError(f'assign: arrays are not the weights of this C3D: {"; ".join(faults)}')
  for name, value in values.items():
    variables[name][0].assign(value.astype(np.float32))


def crop_of_mean(mean):
  """Returns the mean clip in the form that `preprocess` takes.

  Args:
    mean: the array `mean` of mean2.npz: BGR, [3, 16, H, W], H and W at least 120. Leading axes of
      size 1 are dropped. A flat array must have 128 x 171 or 128 x 128 pixels.

  Returns:
    float32 [16, 112, 112, 3], BGR: rows and columns 8 to 119.

  Raises:
    ValueError: if the array has another shape.
  """
  mean = np.asarray(mean)
  clip = mean.reshape(mean.shape[next((i for i, n in enumerate(mean.shape) if n != 1), 0):])
  if clip.ndim == 1:
    sizes = [size for size in _MEAN_SIZES if clip.size == 3 * FRAMES * size[0] * size[1]]
    clip = clip.reshape((3, FRAMES) + sizes[0]) if sizes else clip
  end = _CROP + SIZE
  if clip.ndim != 4 or clip.shape[:2] != (3, FRAMES) or min(clip.shape[2:]) < end:
    raise ValueError(f'crop_of_mean: mean must be [3, {FRAMES}, H, W] with H and W at least {end}, '
                     f'or flat of 128 x 171 or 128 x 128 pixels, got shape {mean.shape}')
  clip = clip[:, :, _CROP:end, _CROP:end]
  return clip.transpose(1, 2, 3, 0).astype(np.float32)  # [C, T, H, W] -> [T, H, W, C]


def _by_name(model):
  """Maps names in the .npz to (variable, the array's axes in the variable's order)."""
  found = {}
  for name, layer in model.convolutions.items():
    # [O, I, T, H, W] -> [T, H, W, I, O]
    found.update({f'{name}/W': (layer.kernel, (2, 3, 4, 1, 0)), f'{name}/b': (layer.bias, (0,))})
  for layer in (model.fc6, model.fc7, model.fc8):
    # [out, in] -> [in, out]
    found.update({f'{layer.name}/W': (layer.kernel, (1, 0)), f'{layer.name}/b': (layer.bias, (0,))})
  return found
