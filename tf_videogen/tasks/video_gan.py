"""The task of video GANs: real clips against generated ones, whose first frames may be real.

DVD-GAN and TrIVD-GAN; what the levels of cascades share with them is in `GANTask`.

Videos travel as uint8; here, and only here, they become numbers in [-1, 1] and uint8 again.

What is sampled and evaluated is the average of the generator's weights, with standing statistics of
batch normalization (TrIVD-GAN, appendix E.2).
"""

import abc
import typing

import tensorflow as tf

from tf_videogen import objectives
from tf_videogen.layers import kernel_warping
from tf_videogen.layers import pieces
from tf_videogen.layers import randomness
from tf_videogen.layers import recording
from tf_videogen.layers import spectral_norm
from tf_videogen.metrics import image_quality
from tf_videogen.tasks import task


class Judged(typing.NamedTuple):
  """What discriminators judge: float32 in [-1, 1].

  Attributes:
    video: [B, T, H, W, C].
    pair: [B, T', H', W', 2 C], of an upscaled video and what it was made of; None where there is
      no such.
    labels: int32 [B], where they are not those of the batch.
  """
  video: tf.Tensor
  pair: tf.Tensor | None = None
  labels: tf.Tensor | None = None


class GANTask(task.AdversarialTask):
  """What video GANs and the levels of cascades share: their losses, and noise.

  Args:
    model: a `dvd_gan.GAN`.
    orthogonality: weight of the penalty of the generator's weights.
    average_decay: decay of the averaged generator's weights; 0 for no average.
    average_start: the step until which the average equals the weights.
    standing_passes: number of passes over which standing statistics are averaged.
    standing_batch: number of clips of such a pass, over all replicas.
    network_means: whether losses are sums of the means of every discriminator's outputs, in place
      of one mean of all outputs, in which a network counts as much as it has outputs.
  """

  def __init__(self, model, orthogonality, average_decay, average_start, standing_passes,
               standing_batch, network_means=False):
    super().__init__(model)
    self.network_means = network_means
    self.orthogonality = orthogonality
    self.average_decay = average_decay
    self.average_start = average_start
    self.standing_passes = standing_passes
    self.standing_batch = standing_batch

  @property
  def trainable_variables(self):
    """The variables that the optimizers update, Players."""
    return task.Players(self.model.generator.trainable_variables,
                        self.model.discriminators.trainable_variables)

  @property
  def classes(self):
    """Number of classes, 1 without classes."""
    return self.model.generator.classes

  @property
  def conditions(self):
    """The inputs of a sample besides first frames: ['label'] or []."""
    return ['label'] if self.classes > 1 else []

  def _check_samples(self, frames, window):
    if frames is not None and window:
      raise ValueError(f'a window has the frames of training, not {frames}: ask for one of both')

  def labels(self, batch):
    """Classes of the clips of a batch, int32 [B]; 0 where there are none."""
    if self.classes == 1:
      return tf.zeros([batch['video'].shape[0]], tf.int32)
    if 'label' not in batch:
      raise ValueError(f'Generator.classes = {self.classes}, and the clips have no labels: bind '
                       "PreparedClips.features = {'label': 'label'}")
    return batch['label']

  def _set_noise(self, temperature, truncation):
    """Sets how z of samples is drawn by default. Standing statistics depend on it."""
    self._noise = self._checked(temperature, truncation)

  def _noise_of_samples(self, temperature, truncation):
    """Temperature and truncation of samples: those given, or those of `prepare_samples`."""
    prepared = self._noise if temperature is None and truncation is None else (1.0, None)
    return self._checked(prepared[0] if temperature is None else temperature,
                         prepared[1] if truncation is None else truncation)

  def _latent(self, batch, seed, temperature=1.0, truncation=None, latent=None):
    """z of every clip: float32 [B, latent], of row i of the global batch."""
    count, size = batch['video'].shape[0], [latent or self.model.generator.latent]
    if truncation is None:
      return temperature * randomness.rows(randomness.normal, count, size, seed)
    return temperature * randomness.truncated_normal(
        randomness.rows(randomness.uniform, count, size, seed), truncation)

  @abc.abstractmethod
  def real(self, batch):
    """The clips that the discriminators learn to call real, Judged."""

  @abc.abstractmethod
  def fake(self, batch, seed):
    """The generator's clips in training, Judged."""

  def _scores(self, judged, batch, seed):
    videos, pairs, others = zip(*judged)
    labels = self.labels(batch)
    if any(other is not None for other in others):
      labels = tf.concat([labels if other is None else other for other in others], 0)
    return self.model.discriminators(
        list(videos), labels, self.conditioning_frames, seed, training=True, pairs=list(pairs))

  def _mean(self, numbers):
    """The mean of numbers, one per output, over all outputs or network by network."""
    if self.network_means:
      return self.model.discriminators.sum_of_means(numbers)
    return tf.reduce_mean(numbers)

  def discriminator_loss(self, batch, seed):
    """Eq. 13 on real clips and on generated ones: dict of scalars."""
    seeds = [randomness.fold_in(seed, i) for i in range(2)]
    fake = Judged(*[x if x is None else tf.stop_gradient(x) for x in self.fake(batch, seeds[0])])
    real, fake = self._scores([self.real(batch), fake], batch, seeds[1])
    return {'loss': objectives.hinge_discriminator(real, fake, self._mean),
            'real_score': tf.reduce_mean(real), 'fake_score': tf.reduce_mean(fake)}

  def generator_loss(self, batch, seed):
    """Eq. 14, and the penalty of weights that are not orthogonal: dict of scalars."""
    seeds = [randomness.fold_in(seed, i) for i in range(2)]
    scores, = self._scores([self.fake(batch, seeds[0])], batch, seeds[1])
    terms = {'loss': objectives.hinge_generator(scores, self._mean)}
    if self.orthogonality:
      kernels = spectral_norm.kernels(self.model.generator)
      terms['orthogonality'] = tf.add_n([objectives.orthogonality(kernel.w) for kernel in kernels])
      terms['loss'] += self.orthogonality * terms['orthogonality']
    return terms

  def average(self, step):
    """After an update of the generator in that step, counted from 0: moves the average on."""
    started = step >= self.average_start
    self.model.average(tf.where(started, tf.constant(self.average_decay), 0.0))

  def _motion(self, batch, drawn):
    """Sums over valid clips: how many there are, and how much moves in samples and in the data."""
    valid, video = batch['valid'], batch['video']
    return {'examples': tf.reduce_sum(tf.cast(valid, tf.float32)),
            'frame_difference': objectives.sum_of_valid(_frame_difference(drawn), valid),
            'frame_difference_of_data': objectives.sum_of_valid(_frame_difference(video), valid)}

  def metrics(self, sums):
    """Means of what `statistics` sums: change from frame to frame; PSNR and SSIM, and of copies."""
    return {name: value / sums['examples'] for name, value in sums.items() if name != 'examples'}

  def _checked(self, temperature, truncation):
    if temperature < 0 or (truncation is not None and truncation <= 0):
      raise ValueError(f'temperature must be at least 0 and truncation above 0, got {temperature} '
                       f'and {truncation}')
    return temperature, truncation


class VideoGANTask(GANTask):
  """Trains a VideoGAN.

  Args:
    model: a `dvd_gan.VideoGAN`.
    conditioning_frames: number of first frames of a clip that are given.
    orthogonality, average_decay, average_start, standing_passes, standing_batch, network_means: see
      `GANTask`.
    sampled_frames: number of frames that are sampled after those given; as many as in training if
      None. The generator goes on beyond the length of its training (SSW-GAN, figure 3), in pieces
      of that length.
  """

  def __init__(self, model, conditioning_frames=5, orthogonality=1e-4, average_decay=0.9999,
               average_start=20_000, standing_passes=100, standing_batch=256,
               network_means=False, sampled_frames=None):
    super().__init__(model, orthogonality, average_decay, average_start, standing_passes,
                     standing_batch, network_means)
    if sampled_frames is not None and sampled_frames < 1:
      raise ValueError(f'VideoGANTask.sampled_frames must be at least 1, got {sampled_frames}')
    self.conditioning_frames = conditioning_frames
    self.sampled_frames = self._frames_by_default = sampled_frames

  def build(self, clip_shape):
    """Creates the variables for clips (T, H, W, C)."""
    self._frames = clip_shape[0] - self.conditioning_frames
    self.model.build(tuple(clip_shape), self.conditioning_frames)
    self.prepare_samples()

  def prepare_samples(self, frames=None, window=False, temperature=1.0, truncation=None):
    """Sets what `sample` draws. Then statistics are recorded, with the same noise as samples.

    Args:
      frames: number of frames after those given. If None, as many as the constructor says.
      window: whether there are as many as in training; for cascades, see `cascade.UpscalingTask`.
      temperature, truncation: see `sample`.
    """
    self._check_samples(frames, window)
    self._set_noise(temperature, truncation)
    if frames is not None and frames < 1:
      raise ValueError(f'the frames of a sample must be at least 1, got {frames}')
    self.sampled_frames = frames or (not window and self._frames_by_default) or self._frames
    # Previews have as many frames as training.
    self.recordings = [recording.Recording(
        self.model.averaged_generator, max(self.sampled_frames, self._frames), self._frames,
        lambda batch, seed: self._latent(batch, seed, *self._noise), self.labels,
        lambda batch, seed: self._given(batch))]

  def _given(self, batch):
    """The frames that are given, float32 [B, T', H, W, C]; None where there are none."""
    if not self.conditioning_frames:
      return None
    return to_float(batch['video'][:, :self.conditioning_frames])

  def _generate(self, generator, batch, z, training=False):
    """Clips of as many frames as in training, the given ones first, and the warps' weights."""
    given = self._given(batch)
    drawn, warps = generator(z, self.labels(batch), given, self._frames, training=training)
    return _joined(given, drawn), warps

  def real(self, batch):
    """The clips that the discriminators learn to call real, Judged."""
    return Judged(to_float(batch['video']))

  def fake(self, batch, seed):
    """The generator's clips in training, Judged."""
    z = self._latent(batch, seed)
    return Judged(self._generate(self.model.generator, batch, z, training=True)[0])

  def statistics(self, batch, seed):
    """Sums over valid clips: how much moves, and how close samples are to what really came.

    One sample of each clip. Without given frames motion alone can be compared.
    """
    valid, video = batch['valid'], batch['video']
    given, drawn = self.conditioning_frames, self.sample(batch, seed)
    sums = self._motion(batch, drawn)
    if not given:
      return sums
    count = min(self._frames, self.sampled_frames)
    came = video[:, given:given + count]
    copies = tf.repeat(video[:, given - 1:given], count, axis=1)
    for name, frames in (('', drawn[:, given:given + count]), ('_copy_last_frame', copies)):
      for measure in (image_quality.psnr, image_quality.ssim):
        values = measure(frames, came)  # [B, T]
        sums[measure.__name__ + name] = objectives.sum_of_valid(
            tf.reduce_mean(values, axis=1), valid)
    return sums

  def previews(self, batch, seed):
    """Clips, samples that begin with the same frames, and the motion that warps tell, if there is.

    Returns:
      dict: 'data' and 'samples', uint8 [B, T, H, W, C]; 'motion', float32 [B, T, H, W, 2] in pixels
      of its own resolution, 0 where frames are given.
    """
    z = self._latent(batch, seed, *self._noise)
    clip, warps = self._generate(self.model.averaged_generator, batch, z)
    previews = {'data': batch['video'], 'samples': to_uint8(clip)}
    if warps:
      motion = kernel_warping.motion_of_video(warps)
      given = [[0, 0], [self.conditioning_frames, 0]] + [[0, 0]] * 3
      previews['motion'] = tf.pad(motion, given)
    return previews

  def sample(self, batch, seed, temperature=None, truncation=None):
    """Samples a clip for each clip of the batch, which has its first frames, and its class.

    Args:
      batch: as from the data; a model without conditions reads its batch size only.
      seed: int32 [2].
      temperature: standard deviation of z, 1 by default; 0: z is zero (appendix D.2).
      truncation: draws z anew where it is farther from zero than this; 0.8 in appendix D. Without
        both, they are those of `prepare_samples`.

    Returns:
      uint8 [B, T, H, W, C].

    Raises:
      ValueError: for a temperature below 0 or a truncation that is not above 0.
    """
    z = self._latent(batch, seed, *self._noise_of_samples(temperature, truncation))
    given = self._given(batch)
    drawn = pieces.unroll(self.model.averaged_generator, z, self.labels(batch), given,
                          self.sampled_frames, self._frames)
    return to_uint8(_joined(given, drawn))


def _joined(given, drawn):
  """Clips, the given frames, or None, first: float32 [B, T, H, W, C] in [-1, 1]."""
  return drawn if given is None else tf.concat([given, drawn], axis=1)


def _frame_difference(video):
  """A pixel's mean change from frame to frame, in gray levels: uint8 [B, T, H, W, C] -> [B]."""
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
  task.refuse_nan(video)
  return tf.cast(tf.round((tf.clip_by_value(video, -1.0, 1.0) + 1.0) * 127.5), tf.uint8)
