"""The task of an upscaling level of CVG and SSW-GAN: pairs of windows, real and generated.

Real pairs are windows of real videos and what the paper's down-sampling makes of them; generated
ones are windows of the frozen earlier levels' videos, drawn as `lower_videos` says, and what the
generator makes of them. Nothing flows back into the earlier levels, unless `joint` trains them, too
(SSW-GAN, appendix H).

Samples are whole videos, whatever the windows of training: they are made piece by piece, with
standing statistics of every time step.
"""

import tensorflow as tf

from tf_videogen import objectives
from tf_videogen.layers import pieces
from tf_videogen.layers import randomness
from tf_videogen.layers import recording
from tf_videogen.layers import resampling
from tf_videogen.metrics import image_quality
from tf_videogen.model_directory import checkpoints
from tf_videogen.model_directory import layout
from tf_videogen.tasks import lower_videos
from tf_videogen.tasks import video_gan


class UpscalingTask(video_gan.GANTask):
  """Trains an UpscalingGAN. The clips' frames are the windows of its output.

  Args:
    model: a `cascade.UpscalingGAN`.
    first_frames: number of frames of the first level's videos. Windows are taken from them, and
      samples are made from whole ones.
    lower_dir: model directory of the level below, trained to its end; None with `joint`.
    joint: whether the earlier level is trained together with this one, judged by its output alone.
    draws: an object of `lower_videos`, which says how often a step draws videos of the frozen
      levels.
    average_decay, average_start, orthogonality, standing_passes, standing_batch: see
      `GANTask`. Both papers leave averages and penalty out (SSW-GAN, appendix A).
  """

  def __init__(self, model, first_frames, lower_dir=None, joint=False,
               draws=lower_videos.EachUpdate(), average_decay=0.0, average_start=0,
               orthogonality=0.0, standing_passes=200, standing_batch=256):
    super().__init__(model, orthogonality, average_decay, average_start, standing_passes,
                     standing_batch)
    if joint and len(model.lower) != 1:
      raise ValueError(f'UpscalingTask.joint trains two levels, and there are {len(model.lower)} '
                       'below this one')
    if joint and (lower_dir or average_decay or orthogonality):
      raise ValueError('UpscalingTask.joint trains the level below from its first weights on, '
                       'without average and penalty: leave lower_dir, average_decay and '
                       'orthogonality out')
    if joint and draws.shares:
      raise ValueError('UpscalingTask.joint trains what draws the videos below, so that every '
                       'update draws its own: leave draws out')
    self.draws = draws
    self.first_frames = first_frames
    self.lower_dir = lower_dir
    self.joint = joint

  @property
  def trainable_variables(self):
    """What the optimizers update, Players; of earlier levels nothing, unless `joint`."""
    players = super().trainable_variables
    if not self.joint:
      return players
    lower = [variable for level in self.model.lower for variable in level.trainable_variables]
    return players._replace(generator=lower + players.generator)

  def build(self, clip_shape):
    """Creates the variables for windows (T, H, W, C)."""
    self._frames = clip_shape[0]
    self._low_shape = tuple(self.model.lower[-1].resolution for _ in range(2)) + clip_shape[-1:]
    self.model.build(tuple(clip_shape), self.first_frames)
    self.prepare_samples()

  def initialize(self, clips):
    """Loads the earlier levels from the model directory of the level below.

    Raises:
      FileNotFoundError: if it has no checkpoint.
      ValueError: if it is of other clips or another configuration, or was not trained to its end.
    """
    if self.joint:
      return
    below = 'the level below'
    checkpoints.require(self.lower_dir, below)
    of_clips = tuple(layout.saved_spec(self.lower_dir)['video'].shape[1:])
    if of_clips != self._low_shape:
      raise ValueError(f'{self.lower_dir} was trained on frames of {_by(of_clips)}, and this level '
                       f'upscales frames of {_by(self._low_shape)}: name the directory of {below}')
    found, wanted = layout.saved_reduction(self.lower_dir), self.low_reduction(clips)
    for name, value in wanted.items():
      if found.get(name) != value:
        raise ValueError(f'{self.lower_dir} was trained on clips with {name} = {found.get(name)}, '
                         f'and this level upscales those with {name} = {value}: name the directory '
                         f'of {below}')
    if layout.finished(self.lower_dir) is None:
      step = checkpoints.step_of(checkpoints.paths(self.lower_dir)[0])
      raise ValueError(f'{below} in {self.lower_dir} is not trained to its end '
                       f'(its latest checkpoint is of step {step}): the command that trains it '
                       'goes on from there')
    parts = {'averaged_generator': self.model.lower[-1]}
    if len(self.model.lower) > 1:
      parts['lower'] = self.model.lower[:-1]
    checkpoints.load_part(self.lower_dir, below, model=tf.train.Checkpoint(**parts))

  def low_reduction(self, clips):
    """What the level below takes for real, of this level's clips: see `ClipSource.reduction`."""
    own, generator = clips.reduction(), self.model.generator
    again = [self.model.downsample.__name__, generator.factor]
    return {'frame_step': own['frame_step'] * generator.repeats,
            'downsampled': resampling.shortened([*own['downsampled'], again])}

  def _latents(self, batch, seed, temperature=1.0, truncation=None):
    """z of all levels, a list."""
    return [self._latent(batch, randomness.fold_in(seed, i), temperature, truncation, level.latent)
            for i, level in enumerate(self.model.levels)]

  def real(self, batch):
    """Windows of real videos, and pairs of these with their downsampled versions, Judged."""
    video = video_gan.to_float(batch['video'])
    return video_gan.Judged(
        video, self.model.pair(video, self.model.low(video)) if self.model.matching else None)

  @property
  def shape_below(self):
    """(T, h, w, C) of whole videos of the level below."""
    return (self.model.frames_of_levels(self.first_frames)[-2], *self._low_shape)

  def begin_training(self, clips):
    """Makes what steps share."""
    self.draws.begin_training(self, clips)

  def kept(self, step):
    """Of which earlier steps videos of the levels below are kept."""
    return self.draws.kept(step)

  def keep(self, batch, seed, step):
    """Draws once more what a step has drawn of the levels below."""
    self.draws.draw(self, batch, seed, step)

  def begin_step(self, batches, seed, step):
    """The batches of a step, with what their updates share of the levels below."""
    return self.draws.begin_step(self, batches, seed, step)

  def draw_below(self, batch, seed):
    """Whole videos of the frozen level below, of the batch's classes: [B, T, ...] in [-1, 1]."""
    return tf.stop_gradient(self.model.videos(
        self._latents(batch, seed), self.labels(batch), self.first_frames,
        len(self.model.lower))[-1])

  def fake(self, batch, seed):
    """Windows of generated videos, upscaled, and pairs of both, Judged."""
    latents, labels = self._latents(batch, seed), self.labels(batch)
    if 'below' in batch:
      below, labels = batch['below'], batch['below_label']
    elif self.joint:
      level, = self.model.lower
      below = level(latents[0], labels, None, self.first_frames, training=True)[0]
    else:
      below = self.draw_below(batch, seed)
    low = self._window(below, seed)
    video, _ = self.model.generator(latents[-1], labels, low, self._frames, training=True)
    return video_gan.Judged(video, self.model.pair(video, low), batch.get('below_label'))

  def _window(self, video, seed):
    """A random window of every clip, as long as training's: [B, T, ...] -> [B, T', ...]."""
    frames = self._frames // self.model.generator.repeats
    draws = randomness.rows(
        randomness.uniform, video.shape[0], [1], randomness.fold_in(seed, len(self.model.levels)))
    start = tf.cast(draws * (video.shape[1] - frames + 1), tf.int32)  # [B, 1]
    return tf.gather(video, start + tf.range(frames), axis=1, batch_dims=1)

  def prepare_samples(self, frames=None, window=False, temperature=1.0, truncation=None):
    """Sets what `sample` draws. Then statistics are recorded, with the same noise as samples.

    Args:
      frames: number of frames of whole videos. If None, as many as the levels make from
        `first_frames`. Where it is larger, all levels go on beyond the length of their training.
      window: whether samples are single windows, upscaled by themselves as in training.
      temperature, truncation: see `sample`.
    """
    self._check_samples(frames, window)
    self._set_noise(temperature, truncation)
    model = self.model
    unit = model.frames_of_levels(1)[-1]
    if frames is not None and (frames < self._frames or frames % unit):
      raise ValueError(f'the frames of a sample must be a multiple of {unit}, and at least '
                       f'{self._frames}, those of a window; got {frames}')
    self._sampled_first = self.first_frames if frames is None else frames // unit
    self._sample_window = window
    self.sampled_frames = self._frames if window else self._sampled_first * unit
    frames = [*model.frames_of_levels(self._sampled_first)[:-1], self.sampled_frames]
    self.recordings = [self._recording(*level) for level in enumerate(frames)]

  def _recording(self, number, frames):
    """Passes of a level, counted from 0, from what those below it make."""
    def given(batch, seed):
      latents = self._latents(batch, seed, *self._noise)
      if number == len(self.model.lower):
        return self._below(batch, seed, latents)[-1]
      videos = self.model.videos(latents, self.labels(batch), self._sampled_first, number)
      return videos[-1] if number else None

    return recording.Recording(
        self.model.levels[number], frames, self.model.piece_frames,
        lambda batch, seed: self._latents(batch, seed, *self._noise)[number], self.labels, given,
        frozen=number < len(self.model.lower) and not self.joint)

  def _below(self, batch, seed, latents):
    """Videos of the levels below, whole or one window of all; the last of them is upscaled."""
    below = self.model.videos(latents, self.labels(batch), self._sampled_first,
                              len(self.model.lower))
    if not self._sample_window:
      return below
    frames = below[-1].shape[1]
    return [self._window(tf.repeat(video, frames // video.shape[1], axis=1), seed)
            for video in below]

  def statistics(self, batch, seed):
    """Sums over valid clips: how much moves, and how close samples are to what they are made of."""
    valid = batch['valid']
    below, drawn = self.levels(batch, seed)[-2:]
    again = video_gan.to_uint8(self.model.low(video_gan.to_float(drawn)))
    psnr = tf.reduce_mean(image_quality.psnr(again, below), axis=1)  # [B, T] -> [B]
    return {**self._motion(batch, drawn), 'psnr_of_input': objectives.sum_of_valid(psnr, valid)}

  def previews(self, batch, seed):
    """Clips, samples, and what the level below gave for them: uint8 [B, T, H, W, C] each."""
    below, drawn = self.levels(batch, seed)[-2:]
    return {'data': batch['video'], 'samples': drawn, 'input': below}

  def levels(self, batch, seed, temperature=None, truncation=None):
    """Samples, and what all earlier levels made for them, the first level's first.

    Args: as of `sample`.

    Returns:
      A list of uint8 [B, T, H, W, C]. Of windows, all levels below have as many frames as the last
      of them: those that were shown at the time.
    """
    latents = self._latents(batch, seed, *self._noise_of_samples(temperature, truncation))
    below = self._below(batch, seed, latents)
    drawn = pieces.unroll(self.model.averaged_generator, latents[-1], self.labels(batch),
                          below[-1], self.sampled_frames, self.model.piece_frames)
    return [video_gan.to_uint8(video) for video in [*below, drawn]]

  def sample(self, batch, seed, temperature=None, truncation=None):
    """Samples a video for each clip of the batch, of its class.

    Args:
      batch: as from the data; a model without classes reads its batch size only.
      seed: int32 [2].
      temperature: standard deviation of z, SSW-GAN's sigma: 0.5 in its figures, 1 in its tables and
        by default.
      truncation: draws z anew where it is farther from zero than this. Without both, they are those
        of `prepare_samples`.

    Returns:
      uint8 [B, T, H, W, C], T as `prepare_samples` set it.
    """
    return self.levels(batch, seed, temperature, truncation)[-1]


def _by(shape):
  return ' x '.join(map(str, shape))
