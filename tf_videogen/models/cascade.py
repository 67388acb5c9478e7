"""CVG and SSW-GAN: cascades of GANs, whose levels make a video larger and longer, one by one.

Castrejon et al., "Cascaded Video Generation for Videos In-the-Wild" (CVG); "SSW-GAN: Scalable
Stage-wise Training of Video GANs". p(x^1, ..., x^L) = p(x^L | x^{L-1}) ... p(x^1) (Eq. 1 of both):
the first level makes short, small videos from noise, as DVD-GAN does (`dvd_gan.py`). An upscaling
level is a conditional generator of several times as many frames, several times as large. It trains
on windows, real ones and windows of what the frozen levels below it make (SSW-GAN, Eq. 6), against
discriminators of frames (F), of down-sampled clips (dV), and the matching one (M), which sees its
output beside its input. Earlier levels are part of the model: a checkpoint needs no other.

What differs between the papers, and who binds it:

                            CVG                          SSW-GAN
    levels are called       levels                       stages
    frames become smaller   resampling.bilinear (f_s)    resampling.nearest
    two levels at once      never                        appendix H: UpscalingTask.joint
    other units             none                         appendix C: temporal_blocks.ConvGRULayer

Our copy of CVG lacks its appendix. What it would tell is as in SSW-GAN, appendices A and B:
channels and multipliers, residual connections at the end of each block (CVG's main text: of each
unit), no average of weights, no penalty. Heads judge frame by frame (`projection.Projection`):
neither paper names one. The losses of CVG's Eqs. 2 and 3 have logarithms; what is trained is the
hinge loss, as in SSW-GAN, which prints its learning rates as "1e10^-4" and "5e10^-4": CVG states
1e-4 and 5e-4. Some sizes nobody prints. Here CVG's first levels of 64 x 64 pixels have DVD-GAN's
for that resolution; its level of 256 x 256, SSW-GAN's for BDD100K with one more unit and one more
block of the discriminators; SSW-GAN's stage 2 of three on BDD100K, stage 3's without one of each.

Upscaling works on all frames of the output from the first unit on: those of the input are repeated.
What else is open, and how it is here: the maps of residual connections are spectrally normalized
and have a bias; a 3-D block has two separable convolutions
(`temporal_blocks.SeparableLayer` has one); one z makes a video, whatever the
number of windows; standing statistics are of z as samples have it.

Configs: gin/cvg/, gin/ssw_gan/.
"""

import math

import tensorflow as tf

from tf_videogen.layers import conditional_batch_norm
from tf_videogen.layers import pieces
from tf_videogen.layers import recurrent_units
from tf_videogen.layers import resampling
from tf_videogen.layers import residual_blocks
from tf_videogen.layers import spectral_norm
from tf_videogen.layers import temporal_blocks
from tf_videogen.models import dvd_gan

_START = 4  # side of the first features
PIECE_FRAMES = 64  # see UpscalingGAN


class FirstGenerator(dvd_gan.Generator):
  """G of the first level: DVD-GAN's, of 32 x 32 pixels by default (SSW-GAN, B.1).

  From 4 x 4 features, units of a recurrent unit and two 2-D blocks, all but the last of which
  upsample.

  Args:
    channels: ch.
    multipliers: widths of the units as multiples of ch, one per unit.
    unit: a callable (class) of the number of channels, the recurrent unit.
    image_channels: number of channels of the frames.
    latent: number of values of z, and of the embedding of a class.
    classes: number of classes; 1 stands for data without classes.
  """

  def __init__(self, channels=128, multipliers=(8, 8, 4, 2), unit=recurrent_units.ConvGRU,
               image_channels=3, latent=128, classes=1):
    super().__init__(unit, channels, multipliers, _START, len(multipliers) - 1,
                     convolutions=False, image_channels=image_channels, latent=latent,
                     classes=classes)


class Residual(tf.keras.layers.Layer):
  """The low-resolution video at the size of a block's features, to which it is added.

  Nearest neighbours in space and time, and a linear 1x1 map of the channels (SSW-GAN, B.2).

  Args:
    channels: number of output channels.
    repeats: number of times that each frame is repeated.
  """

  def __init__(self, channels, repeats, name=None):
    super().__init__(name=name)
    self.repeats = repeats
    self.map = spectral_norm.Conv(channels, (1, 1))

  def call(self, video, side, training=False):
    """[B, T, h, w, C] -> [B, repeats * T, side, side, channels]."""
    smaller = resampling.nearest(video, video.shape[2] // side)
    return resampling.repeat_frames(self.map(smaller, training=training), self.repeats)


class Unit(tf.keras.layers.Layer):
  """One block over time and space, and two of single frames, the second of which may upsample.

  Args:
    temporal: class of the first block, one of `temporal_blocks`.
    channels: number of channels of all that it makes.
    side: height and width of its input.
    upsample: whether features double in height and width.
    residuals: function from the side of features to a new layer that makes what is added to them,
      or to None.
    each_block: whether it is added after each block, or after the last one only.
  """

  def __init__(self, temporal, channels, side, upsample, residuals, each_block, name=None):
    super().__init__(name=name)
    self.blocks = [temporal(channels), residual_blocks.GeneratorBlock(channels),
                   residual_blocks.GeneratorBlock(channels, upsample=upsample)]
    self.sides = [side, side, 2 * side if upsample else side]
    self.residuals = [residuals(side) if each_block or i == 2 else None
                      for i, side in enumerate(self.sides)]

  def call(self, x, video, condition, training=False, steps=conditional_batch_norm.Steps()):
    """x [B, K T, H, W, C], video [B, T, h, w, 3] -> [B, K T, H', W', channels]."""
    for block, side, residual in zip(self.blocks, self.sides, self.residuals):
      x = block(x, condition, training=training, steps=steps)
      if residual is not None:
        x += residual(video, side, training=training)
    return x


class UpscalingGenerator(tf.keras.layers.Layer):
  """G of an upscaling level: from a video, z and a class to a larger and longer video.

  By default from 32 x 32 to 128 x 128 pixels: Kinetics-600, in both papers.

  Args:
    channels: ch.
    multipliers: widths of the units as multiples of ch, one per unit.
    factor: how many times larger frames become.
    repeats: number of frames that are made of one.
    temporal: class of a unit's first block, of `layers.temporal_blocks`. With ConvGRULayer, videos
      are made at once, not in windows.
    each_block: whether residual connections end at each block (SSW-GAN, B.2), or at each unit.
    upsampling_stages: number of units, from the first on, that double the resolution; all if None.
    image_channels: number of channels of the frames.
    latent: number of values of z, and of the embedding of a class.
    classes: number of classes; 1 stands for data without classes.
  """

  def __init__(self, channels=128, multipliers=(8, 8, 4, 2, 1), factor=4, repeats=2,
               temporal=temporal_blocks.SeparableBlock, each_block=True, upsampling_stages=None,
               image_channels=3, latent=128, classes=1):
    super().__init__(name='generator')
    if not multipliers:
      raise ValueError('UpscalingGenerator.multipliers must have one for each unit; got none')
    stages = len(multipliers) if upsampling_stages is None else upsampling_stages
    if not 0 <= stages <= len(multipliers):
      raise ValueError(f'UpscalingGenerator.upsampling_stages must be 0 to {len(multipliers)}, as '
                       f'many as there are multipliers; got {stages}')
    self.channels, self.multipliers = channels, tuple(multipliers)
    self.factor, self.repeats = factor, repeats
    self.image_channels, self.latent, self.classes = image_channels, latent, classes
    self.resolution = _START * 2**stages
    if factor < 1 or repeats < 1 or self.resolution % factor:
      raise ValueError(f'UpscalingGenerator.factor must divide {self.resolution}, the side of its '
                       f'frames, and repeats be at least 1; got {factor} and {repeats}')
    self.embed = spectral_norm.Dense(latent, use_bias=False)
    self.first = spectral_norm.Dense(_START * _START * channels * multipliers[0], normalized=False)
    self.units = [
        Unit(temporal, m * channels, _START * 2**min(i, stages), i < stages,
             lambda side, width=m * channels: self._residual(side, width), each_block)
        for i, m in enumerate(multipliers)]
    if not any(residual for unit in self.units for residual in unit.residuals):
      raise ValueError(f'UpscalingGenerator.factor = {factor} makes the input smaller than '
                       'features are at the end of any residual connection, so that nothing of it '
                       'would be seen: choose a smaller factor')
    self.norm = conditional_batch_norm.ConditionalBatchNorm(conditional=False)
    self.to_image = spectral_norm.Conv(image_channels)

  def _residual(self, side, width):
    """None where features are larger than the input: it's never upscaled; or where sizes differ."""
    low = self.resolution // self.factor
    return Residual(width, self.repeats) if low % side == 0 else None

  @property
  def radius(self):
    """Number of frames before and after it on which an output frame depends; None for all."""
    radii = [unit.blocks[0].radius for unit in self.units]
    return None if None in radii else sum(radii)

  def call(self, z, labels, given, frames, training=False, steps=conditional_batch_norm.Steps()):
    """The upscaled video.

    Args:
      z: [B, latent].
      labels: int32 [B].
      given: [B, T, h, w, C] in [-1, 1], h = w = resolution / factor.
      frames: number of frames of the output, repeats * T.
      training: whether to use the batch's statistics in place of the standing ones, and to take a
        step of the power iteration.
      steps: the time steps of the frames in a longer video.

    Returns:
      [B, frames, resolution, resolution, C] in [-1, 1], float32; and [], as it warps nothing.
    """
    self._check_frames(given, frames)
    classes = self.embed(tf.one_hot(labels, self.classes), training=training)
    condition = tf.concat([tf.cast(z, classes.dtype), classes], 1)
    x = tf.reshape(self.first(condition, training=training),
                   [-1, 1, _START, _START, self.channels * self.multipliers[0]])
    # The same features for every frame: [B, 1, H, W, C] -> [B, T, H, W, C]
    x = tf.tile(x, [1, frames, 1, 1, 1])
    given = tf.cast(given, x.dtype)
    for unit in self.units:
      x = unit(x, given, condition, training=training, steps=steps)
    x = tf.nn.relu(self.norm(x, training=training, steps=steps))
    return tf.tanh(tf.cast(self.to_image(x, training=training), tf.float32)), []

  def _check_frames(self, given, frames):
    if frames != self.repeats * given.shape[1]:
      raise ValueError(f'{given.shape[1]} frames become {self.repeats * given.shape[1]}, not '
                       f'{frames}')

  def begin(self, z, labels, given, frames):
    """What pieces are made of, the whole video that is given, see `layers.pieces`."""
    del z, labels
    self._check_frames(given, frames)
    return given

  def piece(self, number, size, z, labels, carry, frames, record=False):
    """A window of the output, made of as much of the input as it depends on: `layers.pieces`."""
    whole, first = carry.shape[1], number * size
    taken = self.window(size, whole)
    start = 0
    if taken < whole:
      start = tf.clip_by_value((first - self.radius) // self.repeats, 0, whole - taken)
    step = self.repeats * start + tf.range(self.repeats * taken)
    recorded = (step >= first) & (step < first + size) if record else None
    given = tf.ensure_shape(tf.slice(carry, [0, start, 0, 0, 0], [-1, taken, -1, -1, -1]),
                            [carry.shape[0], taken, *carry.shape[2:]])
    video, _ = self(z, labels, given, self.repeats * taken,
                    steps=conditional_batch_norm.Steps(self.repeats * start, recorded))
    # Beyond the end of the last window there is nothing, but pieces have one size.
    video = tf.pad(video, [[0, 0], [0, size], [0, 0], [0, 0], [0, 0]])
    video = tf.slice(video, [0, first - self.repeats * start, 0, 0, 0], [-1, size, -1, -1, -1])
    return tf.ensure_shape(video, [carry.shape[0], size, *video.shape[2:]]), carry

  def window(self, size, whole):
    """Frames of the input that `size` frames of the output, anywhere, depend on, of `whole`."""
    if self.radius is None:
      return whole
    return min(whole, -(-(size + 2 * self.radius) // self.repeats) + 1)

  def keep_statistics(self, frames, most):
    """Makes standing statistics of videos of so many frames."""
    del most
    for norm in conditional_batch_norm.norms(self):
      norm.keep(frames)


class UpscalingGAN(dvd_gan.GAN):
  """An upscaling level: its G, the average of its weights, its D; and the frozen earlier levels.

  Args:
    generator: a callable that makes an UpscalingGenerator; called twice.
    discriminators: a callable that makes a `discriminators.Discriminators`.
    lower: callables that make the generators of the earlier levels, the first level's first.
    downsample: makes frames smaller by a factor: `resampling.nearest` or `resampling.bilinear`.
    piece_frames: frames that earlier levels make at once, and this one outside of training; pieces
      of upscaling levels have margins, so that short ones cost much.
  """

  def __init__(self, generator, discriminators, lower, downsample, piece_frames=PIECE_FRAMES):
    super().__init__(generator, discriminators)
    if not lower:
      raise ValueError('UpscalingGAN.lower must have the generator of a level or more')
    if piece_frames < 1:
      raise ValueError(f'UpscalingGAN.piece_frames must be at least 1; got {piece_frames}')
    self.lower = [make() for make in lower]
    self.downsample = downsample
    self.piece_frames = piece_frames

  @property
  def matching(self):
    """Whether there is a matching discriminator."""
    return 'M' in self.discriminators.views

  @property
  def levels(self):
    """The generators of all levels, this one's averaged."""
    return [*self.lower, self.averaged_generator]

  def frames_of_levels(self, first_frames):
    """How many frames whole videos of all levels have, the first level's having `first_frames`."""
    repeats = [level.repeats for level in self.levels[1:]]
    return [first_frames * math.prod(repeats[:i]) for i in range(len(self.levels))]

  def build(self, clip_shape, first_frames):
    """Creates the variables for windows (T, H, W, C) of videos; see `frames_of_levels`."""
    frames, height, width, channels = clip_shape
    self._check_levels(clip_shape, first_frames)
    pair = self.pair_shape(clip_shape)
    self.discriminators.check(clip_shape, 0, pair)
    labels, z = tf.zeros([1], tf.int32), tf.zeros([1, self.generator.latent])
    video = tf.zeros([1, frames, height, width, channels])
    for generator in (self.generator, self.averaged_generator):
      generator(z, labels, self.low(video), frames)
    given = None
    for level in self.lower:
      made, _ = level(tf.zeros([1, level.latent]), labels, given,
                      1 if given is None else level.repeats)
      given = made[:, :1]
    pairs = [tf.zeros([1, *pair])] if pair else None
    self.discriminators([video], labels, 0, tf.zeros([2], tf.int32), pairs=pairs)
    self.built = True

  def pair_shape(self, clip_shape):
    """(T', H', W', 2 C) of pairs, of windows (T, H, W, C); None with no matching discriminator."""
    frames, height, width, channels = clip_shape
    factor, repeats = self.generator.factor, self.generator.repeats
    return ((frames // repeats, height // factor, width // factor, 2 * channels)
            if self.matching else None)

  def low(self, video):
    """What the level below has of a video: [B, T, H, W, C] -> [B, T / repeats, H / factor, ...]."""
    return self.downsample(video[:, ::self.generator.repeats], self.generator.factor)

  def pair(self, video, low):
    """What the matching discriminator sees, channels side by side; None without it."""
    return tf.concat([self.low(video), low], -1) if self.matching else None

  def videos(self, latents, labels, first_frames, levels):
    """Whole videos of the first so many levels, with standing statistics.

    Args:
      latents: list of z [B, latent], of every level.
      labels: int32 [B].
      first_frames: number of frames of the first level's video.
      levels: number of levels, at least 1.

    Returns:
      A list of float32 [B, T, H, W, C] in [-1, 1].
    """
    made, frames = [], self.frames_of_levels(first_frames)
    for i, level in enumerate(self.levels[:levels]):
      made.append(pieces.unroll(level, latents[i], labels, made[-1] if made else None, frames[i],
                                self.piece_frames))
    return made

  def _check_levels(self, clip_shape, first_frames):
    frames, height, width, channels = clip_shape
    generator = self.generator
    if height != width or height != generator.resolution:
      raise ValueError(
          f'the generator makes frames of {generator.resolution} pixels a side, and clips have '
          f'{height} x {width}: choose another size of clips, or as many '
          'UpscalingGenerator.multipliers as the resolution is doubled, from 4 on')
    below = generator.resolution // generator.factor
    sides = [self.lower[0].resolution]
    for level in self.lower[1:]:
      if level.resolution != sides[-1] * level.factor:
        raise ValueError(f'levels of UpscalingGAN.lower do not follow each other: frames of '
                         f'{sides[-1]} pixels a side, upscaled {level.factor} times, are not of '
                         f'{level.resolution}')
      sides.append(level.resolution)
    if sides[-1] != below:
      raise ValueError(f'the level below makes frames of {sides[-1]} pixels a side, and this one '
                       f'upscales frames of {below}: change UpscalingGenerator.factor, '
                       f'{generator.factor}, or the level below')
    whole = self.frames_of_levels(first_frames)[-2]
    if frames % generator.repeats or frames > whole * generator.repeats:
      raise ValueError(f'windows of {frames} frames must be a multiple of '
                       f'UpscalingGenerator.repeats, {generator.repeats}, and of at most '
                       f'{whole * generator.repeats}, the whole video')
    for name, expected, owner in (('image_channels', channels, 'clips'),
                                  ('classes', self.discriminators.classes, 'discriminators')):
      found = sorted({getattr(level, name) for level in [*self.lower, generator]})
      if found != [expected]:
        raise ValueError(
            f'{name} of all levels must be {expected}, that of the {owner}; got {found}')
