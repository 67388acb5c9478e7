"""DVD-GAN: Clark et al. 2019, videos of classes from noise; what the other video GANs build upon.

"Adversarial Video Generation on Complex Datasets" (https://arxiv.org/abs/1907.06571), as TrIVD-GAN
(appendix A) and SSW-GAN (appendix B.1) tell it. From features of `start` x `start`
positions, the same for every frame, through stages of a recurrent unit and residual blocks to
frames; states begin at zero. Of 128 x 128 pixels, with the default sizes:

    stage            1        2        3        4        5       image
    positions      4 x 4    8 x 8   16 x 16  32 x 32  64 x 64  128 x 128
    channels        8 ch     8 ch     4 ch     2 ch      ch        3

A stage's last block doubles the resolution. Every layer's weights are spectrally normalized, but
those of the affine map to the first features; batch normalization is per time step, conditioned on
[z; class]. `models/discriminators.py` has what the generator plays against.

What the papers leave open, and how it is here: all of stage i has m_i ch channels, its unit's state
too; embeddings of classes have no bias.

Configs: gin/trivd_gan/dvd_gan_*.gin. TrIVD-GAN (`trivd_gan.py`) continues frames that are given,
the levels of CVG and SSW-GAN (`cascade.py`) begin with one of these.
"""

import tensorflow as tf

from tf_videogen.layers import conditional_batch_norm
from tf_videogen.layers import non_local as non_local_block
from tf_videogen.layers import pieces
from tf_videogen.layers import replicas
from tf_videogen.layers import residual_blocks
from tf_videogen.layers import spectral_norm


class Stage(tf.keras.layers.Layer):
  """A recurrent unit, a convolution, and two residual blocks, the second of which upsamples.

  Args:
    unit: a callable (class) of the number of channels, see `layers.recurrent_units`.
    channels: number of channels of all that it makes.
    upsample: whether the second block doubles the resolution.
    non_local: whether a non-local block follows.
    convolution: whether there is a convolution after the unit.
  """

  def __init__(self, unit, channels, upsample=True, non_local=False, convolution=True, name=None):
    super().__init__(name=name)
    self.unit = unit(channels)
    self.conv = spectral_norm.Conv(channels) if convolution else None
    self.blocks = [residual_blocks.GeneratorBlock(channels),
                   residual_blocks.GeneratorBlock(channels, upsample=upsample)]
    self.non_local = non_local_block.NonLocalBlock() if non_local else None

  def call(self, x, state, condition, training=False, steps=conditional_batch_norm.Steps()):
    """x [B, T, H, W, C], state [B, H, W, channels] or None -> features, states, weights or None.

    States are the unit's after all time steps, [B, T, H, W, channels], and weights those of warps.
    """
    states, weights = self.unit(x, state, training=training)
    x = self.conv(states, training=training) if self.conv else states
    for block in self.blocks:
      x = block(x, condition, training=training, steps=steps)
    return (self.non_local(x, training=training) if self.non_local else x), states, weights


class Generator(tf.keras.layers.Layer):
  """G, from noise.

  Args:
    unit: a callable (class) of the number of channels, the recurrent unit.
    channels: ch.
    multipliers: widths of the stages as multiples of ch, one per stage.
    start: height and width of the first features.
    upsampling_stages: number of stages, from the first on, that double the resolution; all if None.
    convolutions: whether a convolution follows each unit (TrIVD-GAN, appendix A; not in SSW-GAN).
    non_local: numbers, from 0 on, of stages after which a non-local block follows, as in BigGAN.
    image_channels: number of channels of the frames that it makes.
    latent: number of values of z, and of the embedding of a class.
    classes: number of classes; 1 stands for data without classes.
  """

  def __init__(self, unit, channels=128, multipliers=(8, 8, 4, 2, 1), start=4,
               upsampling_stages=None, convolutions=True, non_local=(), image_channels=3,
               latent=128, classes=1):
    super().__init__(name='generator')
    self.channels, self.multipliers, self.start = channels, tuple(multipliers), start
    self.image_channels, self.latent, self.classes = image_channels, latent, classes
    self.upsampling_stages = len(multipliers) if upsampling_stages is None else upsampling_stages
    if not 0 <= self.upsampling_stages <= len(multipliers):
      raise ValueError(f'Generator.upsampling_stages must be 0 to {len(multipliers)}, as many as '
                       f'there are multipliers; got {self.upsampling_stages}')
    self.widths = [m * channels for m in multipliers]
    self.encoder = self._make_encoder()
    self.embed = spectral_norm.Dense(latent, use_bias=False)
    self.first = spectral_norm.Dense(start * start * self.widths[0], normalized=False)
    self.stages = [Stage(unit, width, i < self.upsampling_stages, i in non_local, convolutions)
                   for i, width in enumerate(self.widths)]
    self.norm = conditional_batch_norm.ConditionalBatchNorm(conditional=False)
    self.to_image = spectral_norm.Conv(image_channels)

  def _make_encoder(self):
    """A layer that makes the first states of the units from given frames; None without them."""

  @property
  def continues(self):
    """Whether it continues frames that are given."""
    return self.encoder is not None

  @property
  def resolution(self):
    """Height and width of the frames."""
    return self.start * 2**self.upsampling_stages

  def call(self, z, labels, given, frames, training=False):
    """Frames, all of a video, or those that follow the given ones.

    Args:
      z: [B, latent].
      labels: int32 [B].
      given: [B, T', H, W, C] in [-1, 1]; None where it does not continue any.
      frames: how many, an int.
      training: statistics of the batch in place of the standing ones, and a power iteration.

    Returns:
      [B, frames, H, W, C] in [-1, 1], float32; and a list of the weights of the stages' warps,
      [B, frames, H_i, W_i, 9], the coarsest first, empty for units that don't warp.
    """
    condition, x = self._first_features(z, labels, frames, training)
    video, _, warps = self._frames(x, condition, self._first_states(z, given, training), training)
    return video, warps

  def _first_states(self, z, given, training=False):
    """States of the recurrent units before the first frame, the first stage's first."""
    if self.continues:  # an encoder goes from fine to coarse, the stages from coarse to fine
      return self.encoder(given, training=training)[::-1]
    sides = [self.start * 2**min(i, self.upsampling_stages) for i in range(len(self.stages))]
    return [tf.zeros([z.shape[0], side, side, width], self.compute_dtype)
            for side, width in zip(sides, self.widths)]

  def _first_features(self, z, labels, frames, training=False):
    """[z; class], and features [B, T, start, start, C] that are the same for every frame."""
    classes = self.embed(tf.one_hot(labels, self.classes), training=training)
    condition = tf.concat([tf.cast(z, classes.dtype), classes], 1)
    x = tf.reshape(self.first(condition, training=training),
                   [-1, self.start, self.start, self.widths[0]])
    return condition, tf.tile(x[:, tf.newaxis], [1, frames, 1, 1, 1])  # -> [B, T, H, W, C]

  def _frames(self, x, condition, states, training=False, steps=conditional_batch_norm.Steps()):
    """Frames that follow the recurrent units' states; all states meanwhile; weights of warps."""
    after, warps = [], []
    for stage, state in zip(self.stages, states):
      x, states, weights = stage(x, state, condition, training=training, steps=steps)
      after.append(states)
      warps += [] if weights is None else [weights]
    x = tf.nn.relu(self.norm(x, training=training, steps=steps))
    return tf.tanh(tf.cast(self.to_image(x, training=training), tf.float32)), after, warps

  def begin(self, z, labels, given, frames):
    """The recurrent units' first states, see `layers.pieces`."""
    del labels, frames
    return self._first_states(z, given)

  def piece(self, number, size, z, labels, carry, frames, record=False):
    """Frames that follow the units' states, and their states then, see `layers.pieces`."""
    del frames
    recorded = tf.ones([size], tf.bool) if record else None
    steps = conditional_batch_norm.Steps(number * size, recorded)
    condition, x = self._first_features(z, labels, size)
    video, states, _ = self._frames(x, condition, carry, steps=steps)
    return video, [tf.cast(state[:, -1], carry[i].dtype) for i, state in enumerate(states)]

  def keep_statistics(self, frames, most):
    """Makes standing statistics of videos of so many frames, in pieces of at most `most`."""
    count, size = pieces.divided(frames, most)
    stuck = [type(stage.unit).__name__ for stage in self.stages if not stage.unit.resumable]
    if count > 1 and stuck:
      raise ValueError(f'{stuck[0]} needs more than its state to go on, so that samples cannot be '
                       f'longer than the {most} frames of training; got {frames}')
    for norm in conditional_batch_norm.norms(self):
      norm.keep(count * size)


class GAN(tf.keras.Model):
  """G, the average of its weights over the steps, and D.

  Args:
    generator: a callable that makes a generator; called twice.
    discriminators: a callable that makes a `discriminators.Discriminators`.
  """

  def __init__(self, generator, discriminators):
    super().__init__()
    self.generator = generator()
    self.averaged_generator = generator()
    self.discriminators = discriminators()

  def average(self, decay):
    """Moves the averaged generator: decay x average + (1 - decay) x weights; 0 copies them.

    The vectors of spectral normalization are the generator's own.
    """
    replicas.assign(
        self.averaged_generator.trainable_variables, self.generator.trainable_variables,
        lambda average, value: decay * average + (1.0 - decay) * value)
    vectors = lambda generator: [kernel.u for kernel in spectral_norm.kernels(generator)]
    replicas.assign(vectors(self.averaged_generator), vectors(self.generator))


class VideoGAN(GAN):
  """A GAN of whole videos, from noise or from their first frames.

  Args: as of `GAN`; the generator is a `Generator`, or `trivd_gan.Generator`.
  """

  def build(self, clip_shape, conditioning_frames):
    """Creates the variables for clips (T, H, W, C), of which so many frames are given."""
    frames, height, width, channels = clip_shape
    self._check(clip_shape, conditioning_frames)
    self.discriminators.check(clip_shape, conditioning_frames)
    labels, z = tf.zeros([1], tf.int32), tf.zeros([1, self.generator.latent])
    video = tf.zeros([1, frames, height, width, channels])
    given = video[:, :conditioning_frames] if conditioning_frames else None
    for generator in (self.generator, self.averaged_generator):
      generator(z, labels, given, frames - conditioning_frames)
    self.discriminators([video], labels, conditioning_frames, tf.zeros([2], tf.int32))
    self.built = True

  def _check(self, clip_shape, conditioning_frames):
    frames, height, width, channels = clip_shape
    generator = self.generator
    if not 0 <= conditioning_frames < frames:
      raise ValueError(f'conditioning_frames must be from 0 to {frames - 1} for clips of {frames} '
                       f'frames, got {conditioning_frames}')
    if bool(conditioning_frames) != generator.continues:
      other = '@dvd_gan.Generator' if generator.continues else '@trivd_gan.Generator'
      raise ValueError(
          f'{conditioning_frames} frames are given, and the generator continues '
          f'{"given ones" if generator.continues else "none"}: bind VideoGAN.generator to {other}, '
          'or change conditioning_frames')
    if height != width or height != generator.resolution:
      raise ValueError(
          f'the generator makes frames of {generator.start} x 2^{generator.upsampling_stages} = '
          f'{generator.resolution} pixels a side, and clips have {height} x {width}: choose '
          'another size of clips, or as many Generator.multipliers as the resolution is doubled')
    if channels != generator.image_channels:
      raise ValueError(f'Generator.image_channels = {generator.image_channels}, and clips have '
                       f'{channels} channels')
    if generator.classes != self.discriminators.classes:
      raise ValueError(f'Generator.classes = {generator.classes} and Discriminators.classes = '
                       f'{self.discriminators.classes} must be the same')
