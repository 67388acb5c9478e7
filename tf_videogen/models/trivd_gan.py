"""TrIVD-GAN-FP: Luc et al. 2020.

"Transformation-based Adversarial Video Prediction on Large-Scale Data" is DVD-GAN-FP (appendix A)
with other recurrent units and discriminators. An encoder of the frames that are given sets the
first state of every recurrent unit; the generator goes from 8 x 8 features, the same for every
frame, through stages of recurrent unit, convolution and two residual blocks, the second of which
doubles the resolution; discriminators are in `models/discriminators.py`. Without an encoder it is
DVD-GAN, which makes videos of classes from noise: states begin at zero.

Every layer's weights are spectrally normalized, but those of the affine map to the first features;
batch normalization is per time step, conditioned on [z; class].

What the papers leave open, and how it is here: all of stage i has m_i ch channels, its unit's state
too; the encoder's channels are the generator's `channels`; it has as many blocks of the spatial
discriminator as there are stages, since what comes after them would be used by nobody; embeddings
of classes have no bias.

Configs: gin/trivd_gan/.
"""

import tensorflow as tf

from tf_videogen.layers import conditional_batch_norm
from tf_videogen.layers import kernel_warping
from tf_videogen.layers import non_local as non_local_block
from tf_videogen.layers import pieces
from tf_videogen.layers import replicas
from tf_videogen.layers import residual_blocks
from tf_videogen.layers import spectral_norm


class Encoder(tf.keras.layers.Layer):
  """First states of recurrent units from given frames: the first blocks of a spatial discriminator.

  Appendix A: features of every frame at the unit's resolution; time is folded into channels, and
  one convolution, with ReLU (appendix F.3), compresses them.

  Args:
    state_channels: channels of the states, of the coarsest first.
    channels: ch, the generator's.
    multipliers: of ch, one a block; of a discriminator's, the first that are needed are used.
  """

  def __init__(self, state_channels, channels, multipliers=(2, 4, 8, 16, 16), name=None):
    super().__init__(name=name)
    if len(multipliers) < len(state_channels):
      raise ValueError(f'Encoder.multipliers must be {len(state_channels)} numbers or more, one a '
                       f'stage of the generator, got {multipliers}')
    self.blocks = [
        residual_blocks.DiscriminatorBlock(m * channels, preactivation=i > 0)
        for i, m in enumerate(multipliers[:len(state_channels)])]
    self.compress = [spectral_norm.Conv(c) for c in reversed(state_channels)]

  def call(self, frames, training=False):
    """[B, T, H, W, C] in [-1, 1] -> [B, H / 2^i, W / 2^i, state channels], the coarsest first."""
    states, x = [], frames
    for block, compress in zip(self.blocks, self.compress):
      x = block(x, training=training)
      _, given, height, width, channels = x.shape
      folded = tf.transpose(x, [0, 2, 3, 1, 4])  # [B, T, H, W, C] -> [B, H, W, T, C]
      folded = tf.reshape(folded, [-1, height, width, given * channels])
      states.append(tf.nn.relu(compress(folded, training=training)))
    return states[::-1]


class Stage(tf.keras.layers.Layer):
  """A recurrent unit, a convolution, and two residual blocks, the second of which upsamples.

  Args:
    unit: a callable (class) of the number of channels, see `layers.recurrent_units`.
    channels: of all that it makes.
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
  """G, and its encoder.

  Args:
    unit: a callable (class) of the number of channels, the recurrent unit.
    channels: ch.
    multipliers: of ch, one a stage.
    encoder: a callable (class) of the states' channels and of ch; None where no frames are given.
    start: side of the first features.
    image_channels: of the frames that it makes.
    latent: numbers in z, and in the embedding of a class.
    classes: how many; 1 is the dummy class of data without any.
    upsampling_stages: how many stages, from the first on, double the resolution; None: all.
    non_local: numbers, from 0 on, of stages after which a non-local block follows, as in BigGAN.
  """

  stage_convolution = True

  def __init__(self, unit, channels=48, multipliers=(8, 4, 2), encoder=Encoder, start=8,
               image_channels=3, latent=128, classes=1, upsampling_stages=None, non_local=(),
               name='generator'):
    super().__init__(name=name)
    self.channels, self.multipliers, self.start = channels, tuple(multipliers), start
    self.image_channels, self.latent, self.classes = image_channels, latent, classes
    self.upsampling_stages = len(multipliers) if upsampling_stages is None else upsampling_stages
    most = len(multipliers)
    if not 0 <= self.upsampling_stages <= most or (encoder and self.upsampling_stages < most):
      raise ValueError(
          f'Generator.upsampling_stages must be {most}, as many as there are multipliers, or less '
          f'where there is no encoder; got {self.upsampling_stages}')
    widths = [m * channels for m in multipliers]
    self.encoder = encoder(widths, channels) if encoder else None
    self.embed = spectral_norm.Dense(latent, use_bias=False)
    self.first = spectral_norm.Dense(start * start * widths[0], normalized=False)
    self.stages = [Stage(unit, width, i < self.upsampling_stages, i in non_local,
                         self.stage_convolution) for i, width in enumerate(widths)]
    self.norm = conditional_batch_norm.ConditionalBatchNorm(conditional=False)
    self.to_image = spectral_norm.Conv(image_channels)

  @property
  def resolution(self):
    """Height and width of the frames."""
    return self.start * 2**self.upsampling_stages

  def call(self, z, labels, given, frames, training=False):
    """Frames that follow those that are given.

    Args:
      z: [B, latent].
      labels: int32 [B].
      given: [B, T', H, W, C] in [-1, 1]; None without an encoder.
      frames: how many, an int.
      training: statistics of the batch in place of the standing ones, and a power iteration.

    Returns:
      [B, frames, H, W, C] in [-1, 1], float32; and a list of the weights of the stages' warps,
      [B, frames, H_i, W_i, 9], the coarsest first, empty for units that don't warp.
    """
    condition, x = self._first_features(z, labels, frames, training)
    states = self.encoder(given, training=training) if self.encoder else [None] * len(self.stages)
    video, _, warps = self._frames(x, condition, states, training)
    return video, warps

  def _first_features(self, z, labels, frames, training=False):
    """[z; class], and features [B, T, start, start, C] that are the same for every frame."""
    classes = self.embed(tf.one_hot(labels, self.classes), training=training)
    condition = tf.concat([tf.cast(z, classes.dtype), classes], 1)
    x = tf.reshape(self.first(condition, training=training), [-1, self.start, self.start,
                                                              self.channels * self.multipliers[0]])
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
    if self.encoder:
      return self.encoder(given)
    doubled = [min(i, self.upsampling_stages) for i in range(len(self.stages))]
    sides = [self.start * 2**times for times in doubled]
    return [tf.zeros([z.shape[0], side, side, m * self.channels], self.compute_dtype)
            for side, m in zip(sides, self.multipliers)]

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

  def motion(self, warps):
    """Motion in pixels of the last warps' resolution: section 4.4, all resolutions together.

    Args:
      warps: as `call` returns them, at least one.

    Returns:
      [B, T, H, W, 2], float32: downwards, to the right.
    """
    fields = []
    for weights in warps:
      frames = weights.shape[1]
      weights = tf.reshape(weights, [-1, *weights.shape[2:]])  # [B, T, ...] -> [B * T, ...]
      fields.append(kernel_warping.motion(weights))
    total = kernel_warping.compose(fields)
    return tf.reshape(total, [-1, frames, *total.shape[1:]])


class VideoGAN(tf.keras.Model):
  """G, the average of its weights over the steps, and D.

  Args:
    generator: a callable that makes a Generator; called twice.
    discriminators: a callable that makes a `discriminators.Discriminators`.
  """

  def __init__(self, generator, discriminators):
    super().__init__()
    self.generator = generator()
    self.averaged_generator = generator()
    self.discriminators = discriminators()

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
    if bool(conditioning_frames) != bool(generator.encoder):
      raise ValueError(
          f'{conditioning_frames} frames are given, and the generator has '
          f'{"an" if generator.encoder else "no"} encoder: bind Generator.encoder to '
          f'{"None" if generator.encoder else "@trivd_gan.Encoder"}')
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

  def average(self, decay):
    """Moves the averaged generator: decay x average + (1 - decay) x weights; 0 copies them.

    The vectors of spectral normalization are the generator's own.
    """
    replicas.assign(
        self.averaged_generator.trainable_variables, self.generator.trainable_variables,
        lambda average, value: decay * average + (1.0 - decay) * value)
    vectors = lambda generator: [kernel.u for kernel in spectral_norm.kernels(generator)]
    replicas.assign(vectors(self.averaged_generator), vectors(self.generator))

  def keep_statistics(self, frames, most):
    """Makes the averaged generator's standing statistics, of so many frames in pieces of `most`."""
    self.averaged_generator.keep_statistics(frames, most)

  def reset_statistics(self):
    """Forgets them."""
    for norm in conditional_batch_norm.norms(self.averaged_generator):
      norm.standing.reset()
