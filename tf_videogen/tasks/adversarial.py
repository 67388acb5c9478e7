"""The task of video GANs: real clips against clips whose first frames are real, too.

Videos travel as uint8; here, and only here, they become numbers in [-1, 1] and uint8 again.

What is sampled and evaluated is the average of the generator's weights, with standing statistics of
batch normalization (TrIVD-GAN, appendix E.2).
"""

import typing

import tensorflow as tf

from tf_videogen import objectives
from tf_videogen.layers import randomness
from tf_videogen.layers import spectral_norm
from tf_videogen.metrics import image_quality


class Players(typing.NamedTuple):
  """What each player trains: lists of variables."""
  generator: list
  discriminator: list


class AdversarialTask:
  """Trains a VideoGAN.

  Args:
    model: a `trivd_gan.VideoGAN`.
    conditioning_frames: how many first frames of a clip are given.
    orthogonality: weight of the penalty of the generator's weights.
    average_decay: of the averaged generator's weights.
    average_start: the step until which the average is the weights themselves.
    standing_passes: passes whose mean the standing statistics are.
    standing_batch: clips in such a pass, over all replicas.
  """

  def __init__(self, model, conditioning_frames=5, orthogonality=1e-4, average_decay=0.9999,
               average_start=20_000, standing_passes=100, standing_batch=256):
    self.model = model
    self.conditioning_frames = conditioning_frames
    self.orthogonality = orthogonality
    self.average_decay = average_decay
    self.average_start = average_start
    self.standing_passes = standing_passes
    self.standing_batch = standing_batch

  @property
  def trainable_variables(self):
    """What the optimizers update, Players."""
    return Players(self.model.generator.trainable_variables,
                   self.model.discriminators.trainable_variables)

  @property
  def classes(self):
    """How many classes there are, 1 without any."""
    return self.model.generator.classes

  @property
  def conditional(self):
    """Whether a sample needs a clip to take conditions from."""
    return bool(self.conditioning_frames or self.classes > 1)

  def build(self, clip_shape):
    """Creates the variables for clips (T, H, W, C)."""
    self._frames = clip_shape[0] - self.conditioning_frames
    self.model.build(tuple(clip_shape), self.conditioning_frames)

  def initialize(self, clips):
    """Nothing: all weights begin orthogonal, and no earlier stage is loaded."""
    del clips

  def _labels(self, batch):
    if self.classes == 1:
      return tf.zeros([batch['video'].shape[0]], tf.int32)
    if 'label' not in batch:
      raise ValueError(f'Generator.classes = {self.classes}, and the clips have no labels: bind '
                       "PreparedClips.label_feature = 'label'")
    return batch['label']

  def _latent(self, batch, seed, temperature=1.0, truncation=None):
    """z of every clip: float32 [B, latent], of row i of the global batch."""
    count, size = batch['video'].shape[0], [self.model.generator.latent]
    if truncation is None:
      return temperature * randomness.rows(randomness.normal, count, size, seed)
    return temperature * randomness.truncated_normal(
        randomness.rows(randomness.uniform, count, size, seed), truncation)

  def _generate(self, generator, batch, z, frames, **mode):
    """Clips, the given frames first: float32 [B, T, H, W, C] in [-1, 1]; and the warps' weights."""
    given = to_float(batch['video'][:, :self.conditioning_frames])
    drawn, warps = generator(z, self._labels(batch), given if self.conditioning_frames else None,
                             frames, **mode)
    return tf.concat([given, drawn], axis=1), warps

  def discriminator_loss(self, batch, seed):
    """Eq. 13 on real clips and on generated ones: dict of scalars."""
    seeds = [randomness.fold_in(seed, i) for i in range(2)]
    fake, _ = self._generate(self.model.generator, batch, self._latent(batch, seeds[0]),
                             self._frames, training=True)
    real, fake = self.model.discriminators(
        [to_float(batch['video']), tf.stop_gradient(fake)], self._labels(batch),
        self.conditioning_frames, seeds[1], training=True)
    return {'loss': objectives.hinge_discriminator(real, fake),
            'real_score': tf.reduce_mean(real), 'fake_score': tf.reduce_mean(fake)}

  def generator_loss(self, batch, seed):
    """Eq. 14, and the penalty of weights that are not orthogonal: dict of scalars."""
    seeds = [randomness.fold_in(seed, i) for i in range(2)]
    fake, _ = self._generate(self.model.generator, batch, self._latent(batch, seeds[0]),
                             self._frames, training=True)
    scores, = self.model.discriminators([fake], self._labels(batch), self.conditioning_frames,
                                        seeds[1], training=True)
    terms = {'loss': objectives.hinge_generator(scores)}
    if self.orthogonality:
      kernels = spectral_norm.kernels(self.model.generator)
      terms['orthogonality'] = tf.add_n([objectives.orthogonality(kernel.w) for kernel in kernels])
      terms['loss'] += self.orthogonality * terms['orthogonality']
    return terms

  def average(self, step):
    """After an update of the generator in that step, counted from 0: moves the average on."""
    started = step >= self.average_start
    self.model.average(tf.where(started, tf.constant(self.average_decay), 0.0))

  def record(self, batch, seed):
    """One pass of the averaged generator whose statistics enter the standing ones."""
    self._generate(self.model.averaged_generator, batch, self._latent(batch, seed), self._frames,
                   training=True, record=True)

  def statistics(self, batch):
    """Sums over valid clips: how much moves, and how close samples are to what really came.

    One sample of each clip, with the same z in every evaluation: row i of every batch has the same.
    Without given frames motion alone can be compared.
    """
    valid, video = batch['valid'], batch['video']
    given, drawn = self.conditioning_frames, self.sample(batch, randomness.seed_of(0))
    sums = {'examples': tf.reduce_sum(tf.cast(valid, tf.float32)),
            'frame_difference': objectives.sum_of_valid(_frame_difference(drawn), valid),
            'frame_difference_of_data': objectives.sum_of_valid(_frame_difference(video), valid)}
    if not given:
      return sums
    copies = tf.repeat(video[:, given - 1:given], self._frames, axis=1)
    for name, frames in (('', drawn[:, given:]), ('_copy_last_frame', copies)):
      for measure in (image_quality.psnr, image_quality.ssim):
        values = measure(frames, video[:, given:])  # [B, T]
        sums[measure.__name__ + name] = objectives.sum_of_valid(
            tf.reduce_mean(values, axis=1), valid)
    return sums

  def metrics(self, sums):
    """The mean change from frame to frame; PSNR and SSIM of predictions, and of copies."""
    return {name: value / sums['examples'] for name, value in sums.items() if name != 'examples'}

  def previews(self, batch, seed):
    """Clips, samples that begin with the same frames, and the motion that warps tell, if there is.

    Returns:
      dict: 'data' and 'samples', uint8 [B, T, H, W, C]; 'motion', float32 [B, T, H, W, 2] in pixels
      of its own resolution, 0 where frames are given.
    """
    clip, warps = self._generate(self.model.averaged_generator, batch, self._latent(batch, seed),
                                 self._frames)
    previews = {'data': batch['video'], 'samples': to_uint8(clip)}
    if warps:
      motion = self.model.averaged_generator.motion(warps)
      given = [[0, 0], [self.conditioning_frames, 0]] + [[0, 0]] * 3
      previews['motion'] = tf.pad(motion, given)
    return previews

  def condition_spec(self, spec):
    """What `sample` reads of a clip besides noise: a part of `spec`, name -> TensorSpec."""
    found = {'label': spec['label']} if self.classes > 1 else {}
    if self.conditioning_frames:
      video = spec['video']
      found['video'] = tf.TensorSpec([self.conditioning_frames] + video.shape[1:], video.dtype)
    return found

  def sample(self, batch, seed, temperature=1.0, truncation=None):
    """Samples a clip for each clip of the batch, which has its first frames, and its class.

    Args:
      batch: as from the data; a model without conditions reads its batch size only.
      seed: int32 [2].
      temperature: standard deviation of z; 0: z is zero (appendix D.2).
      truncation: draws z anew where it is farther from zero than this; 0.8 in appendix D.

    Returns:
      uint8 [B, T, H, W, C].

    Raises:
      ValueError: for a temperature below 0 or a truncation that is not above 0.
    """
    if temperature < 0 or (truncation is not None and truncation <= 0):
      raise ValueError(f'temperature must be at least 0 and truncation above 0, got {temperature} '
                       f'and {truncation}')
    z = self._latent(batch, seed, temperature, truncation)
    return to_uint8(self._generate(self.model.averaged_generator, batch, z, self._frames)[0])


def _frame_difference(video):
  """The mean change of a pixel from frame to frame, in gray levels: uint8 [B, T, H, W, C] -> [B]."""
  video = tf.cast(video, tf.float32)
  return tf.reduce_mean(tf.abs(video[:, 1:] - video[:, :-1]), axis=[1, 2, 3, 4])


def to_float(video):
  """uint8 -> float32 in [-1, 1]."""
  return tf.cast(video, tf.float32) / 127.5 - 1.0


def to_uint8(video):
  """Numbers in [-1, 1] -> uint8, to the nearest.

  Raises:
    FloatingPointError: outside of graphs, if a value is not finite.
  """
  if tf.executing_eagerly() and not bool(tf.reduce_all(tf.math.is_finite(video))):
    raise FloatingPointError('the model makes videos with values that are not finite (NaN)')
  return tf.cast(tf.round((tf.clip_by_value(video, -1.0, 1.0) + 1.0) * 127.5), tf.uint8)
