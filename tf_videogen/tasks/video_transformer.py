"""The task of the Video Transformer: training on slices, bits/dim, and slice-by-slice sampling.

Videos are uint8 outside of this module. Only here they are converted to channels of few bits, and
back to uint8.

A training step sees one slice of every clip of the batch. The slice is drawn at random from the
slices with pixels to learn, so that the slices of a batch come from different videos (section 4.1).
An evaluation sees all slices.
"""

import numpy as np
import tensorflow as tf
import tqdm

from tf_videogen import bars
from tf_videogen import objectives
from tf_videogen.layers import channel_prediction
from tf_videogen.layers import randomness
from tf_videogen.layers import xla_context
from tf_videogen.model_directory import checkpoints
from tf_videogen.tasks import task


class VideoTransformerTask(task.LossTask):
  """Trains a Video Transformer.

  The model sees windows of `frames` frames. Training draws one window from every clip (section 4.1,
  "cropped randomly in time"). Evaluation and sampling process the clip window by window. Every
  window is primed with the last frames of the window before. If at least `frames` frames are given,
  the first window is primed with as many of them as possible, `frames` - 1, and makes one new
  frame.

  Args:
    model: a VideoTransformer.
    primed_frames: number of first frames of a clip that are given. They do not count in bits/dim,
      and a sample begins with them.
    frames: frames of a window, T; those of a clip if None.
    reprimed_frames: number of frames that prime every window but the first.
    masked_frames: number of first frames of a window that the training loss leaves out. If None,
      `primed_frames`, or `reprimed_frames` if `frames` is given.
    evaluated_frames: number of first frames of a clip on which bits/dim is measured; all if None.
    sample_frames: frames of a sample; those of a clip if None.
    first_slice_dir: model directory of the first slice's decoder, if the model has a separate one.
      It is read once, when this model's directory is new.
  """

  def __init__(self, model, primed_frames=1, frames=None, reprimed_frames=1, masked_frames=None,
               evaluated_frames=None, sample_frames=None, first_slice_dir=None):
    super().__init__(model)
    self.primed_frames = primed_frames
    self.frames = frames
    self.reprimed_frames = reprimed_frames
    if masked_frames is None:
      masked_frames = primed_frames if frames is None else reprimed_frames
    self.masked_frames = masked_frames
    self.evaluated_frames = evaluated_frames
    self.sample_frames = sample_frames
    self.first_slice_dir = first_slice_dir

  @property
  def actions(self):
    """Number of values of a frame's action, 0 without actions."""
    return 0 if self.model.encoder is None else self.model.encoder.actions

  @property
  def conditions(self):
    """The inputs of a sample besides its first frames: ['actions'] or []."""
    return ['actions'] if self.actions else []

  @property
  def conditioning_frames(self):
    """Number of first frames of a sample that are given."""
    return self.primed_frames

  @property
  def cannot_sample(self):
    """Why the task cannot sample, a sentence; '' if it can."""
    return '' if self.model.encoder is not None else (
        'this model has only the first slice; sample from the model of the others, whose '
        'first_slice_dir is this directory')

  def build(self, clip_shape):
    """Creates the variables for clips of shape (T, H, W, C).

    Raises:
      ValueError: if numbers of frames do not fit the clips or each other, or if `masked_frames`
        leaves nothing to learn.
    """
    self._clip_shape = tuple(clip_shape)
    clip_frames = clip_shape[0]
    self._frames = self.frames or clip_frames
    self._evaluated = self.evaluated_frames or clip_frames
    if self._frames > clip_frames:
      raise ValueError(f'VideoTransformerTask.frames = {self._frames}, but a clip has '
                       f'{clip_frames}')
    for name, value, least, most in (
        ('primed_frames', self.primed_frames, 0, clip_frames - 1),
        ('reprimed_frames', self.reprimed_frames, 1, self._frames - 1),
        ('masked_frames', self.masked_frames, 0, self._frames - 1),
        ('evaluated_frames', self._evaluated, max(self.primed_frames + 1, self._frames),
         clip_frames)):
      if not least <= value <= most:
        raise ValueError(f'VideoTransformerTask.{name} must be from {least} to {most} for clips of '
                         f'{clip_frames} frames and windows of {self._frames}, got {value}')
    if self.sample_frames is not None and self.sample_frames <= self.primed_frames:
      raise ValueError(f'VideoTransformerTask.sample_frames must be above primed_frames, '
                       f'{self.primed_frames}, got {self.sample_frames}')
    self.model.build((None, self._frames) + self._clip_shape[1:])
    if not self._slices(self.masked_frames):
      raise ValueError('all frames of all slices that the model has are masked: there is nothing '
                       'to learn; lower VideoTransformerTask.masked_frames')

  def initialize(self, clips):
    """Loads the trained decoder of the first slice, if the model has a separate one.

    Raises:
      FileNotFoundError: if it has no checkpoint.
      ValueError: if the checkpoint is another configuration's.
    """
    del clips
    if self.model.first_slice is not None:
      checkpoints.load_part(
          self.first_slice_dir, "the first slice's decoder", model=self.model.first_slice)

  def _windows(self, frames, primed):
    """The windows of the first `frames` frames, in order: pairs (start, number of primed frames).

    `primed` frames are given.
    """
    windows, known = [], primed
    start = 0 if known < self._frames else known - (self._frames - 1)
    while known < frames:
      start = max(0, min(start, frames - self._frames))
      windows.append((start, known - start))
      known = start + self._frames
      start = known - self.reprimed_frames
    return windows

  def _slices(self, primed):
    """The model's own slices with frames that are not primed; `primed` is as in a window."""
    frames = self.model.subscaling.slice_shape[0]
    return [index for index in self.model.slices if self._primed_of_slice(index, primed) < frames]

  def _primed_of_slice(self, index, primed):
    """Number of first frames of a slice that are among the first `primed` frames of a window."""
    s_t, (t, _, _) = self.model.subscaling.factors[0], self.model.subscaling.slice_shape
    offset = self.model.subscaling.offsets(index)[0]
    return int(np.clip(-(-(primed - offset) // s_t), 0, t))

  def _inputs(self, batch):
    actions = batch.get('actions')
    if self.actions and (actions is None or actions.shape[-1] != self.actions):
      found = 'none' if actions is None else f'{actions.shape[-1]} numbers'
      raise ValueError(f'SliceEncoder.actions = {self.actions}, but a frame of the clips has '
                       f'{found}')
    return self.model.pixels.split(batch['video']), actions if self.actions else None

  def _nats(self, model, video, actions, index, primed):
    """Nats of one slice per window, summed over the pixels that are not primed: float32 [B]."""
    nll = model(video, index, actions)  # [B, t, h, w]
    counts = self.model.subscaling.frames(index) >= primed  # [B, t]
    return tf.reduce_sum(tf.where(counts[:, :, tf.newaxis, tf.newaxis], nll, 0.0), [1, 2, 3])

  def _nats_of_windows(self, video, actions, starts, primed):
    """Nats of all slices of windows with the same number of primed frames: float32 [B]."""
    clips = video.shape[0]

    def total(model, indices):
      rows = [(start, index) for start in starts for index in indices]
      table = tf.constant(rows)

      def add(i, nats):
        start, index = tf.unstack(tf.gather(table, i))
        of_window = _cut(start + tf.range(self._frames), video, actions)
        index = tf.fill([clips], index)
        return i + 1, nats + self._nats(model, *of_window, index, primed)

      # One slice in memory at a time.
      return tf.while_loop(lambda i, _: i < len(rows), add, (tf.constant(0), tf.zeros([clips])),
                           parallel_iterations=1)[1]

    nats = total(self.model, self._slices(primed))
    return nats if self.model.first_slice is None else nats + total(self.model.first_slice, [0])

  def _dimensions(self, slices, primed):
    """Dimensions that slices of a window predict: color values of pixels that are not primed."""
    t, h, w = self.model.subscaling.slice_shape
    frames = sum(t - self._primed_of_slice(index, primed) for index in slices)
    return frames * h * w * self._clip_shape[-1]

  def loss(self, batch, seed):
    """Eq. 9: the nats of one slice of one window of each clip, averaged over the clips.

    The expectation of `bits_per_dim` is the bits/dim of all slices that have pixels to learn.
    """
    video, actions = self._inputs(batch)
    clips, slices = video.shape[0], self._slices(self.masked_frames)
    drawn = randomness.rows(randomness.uniform, clips, [2], seed)
    if self._frames < self._clip_shape[0]:
      start = tf.cast(drawn[:, 0] * (self._clip_shape[0] - self._frames + 1), tf.int32)
      window = start[:, tf.newaxis] + tf.range(self._frames)
      video, actions = _cut(window, video, actions)
    index = tf.gather(slices, tf.cast(drawn[:, 1] * len(slices), tf.int32))
    nats = tf.reduce_mean(self._nats(self.model, video, actions, index, self.masked_frames))
    dimensions = self._dimensions(slices, self.masked_frames) / len(slices)
    return {'loss': nats, 'bits_per_dim': nats / dimensions / np.log(2.0)}

  def statistics(self, batch, seed):
    """Sums over valid clips, with all windows and slices of each clip."""
    del seed
    video, actions = self._inputs(batch)
    alike = {}
    for start, primed in self._windows(self._evaluated, self.primed_frames):
      alike.setdefault(primed, []).append(start)
    nats = tf.add_n([self._nats_of_windows(video, actions, starts, primed)
                     for primed, starts in alike.items()])
    sums = {'examples': tf.reduce_sum(tf.cast(batch['valid'], tf.float32)),
            'nats': objectives.sum_of_valid(nats, batch['valid'])}
    if isinstance(self.model.decoder.predictor, channel_prediction.IntensityPredictor):
      least = self.model.decoder.predictor.least_nats(
          video[:, self.primed_frames:self._evaluated])
      sums['least_nats'] = objectives.sum_of_valid(
          tf.reduce_sum(least, [1, 2, 3]), batch['valid'])
    return sums

  def metrics(self, sums):
    """Bits/dim and nats per frame (Table 2), over the frames that are not primed.

    A dimension is one color value of a pixel. For a model of the first slice alone, only the pixels
    of this slice count. With gray intensities there is also `least_nats_per_frame`: the nats per
    frame of a perfect prediction, a lower bound for all models.
    """
    dimensions = sum(self._dimensions(self.model.generated_slices, primed)
                     for _, primed in self._windows(self._evaluated, self.primed_frames))
    nats = sums['nats'] / sums['examples']
    frames = dimensions / np.prod(self._clip_shape[1:])
    found = {'bits_per_dim': nats / dimensions / np.log(2.0), 'nats_per_frame': nats / frames}
    if 'least_nats' in sums:
      found['least_nats_per_frame'] = sums['least_nats'] / sums['examples'] / frames
    return found

  def previews(self, batch, seed):
    """Clips, and samples that begin with the same frames, uint8 [B, T, H, W, C] each.

    A model of the first slice alone has no samples.
    """
    previews = {'data': batch['video']}
    return previews if self.cannot_sample else {**previews, 'samples': self.sample(batch, seed)}

  def sample(self, batch, seed, temperature=1.0, conditioning_frames=None, frames=None):
    """Samples one clip for the first frames, and the actions, of each clip of the batch.

    Args:
      batch: a batch of the data. Of an unconditional model's batch, only the size is read.
      seed: int32 [2].
      temperature: divisor of the logits, above 0.
      conditioning_frames: number of first frames that are given; `primed_frames` if None.
      frames: frames of the sample; `sample_frames` if None.

    Returns:
      uint8 [B, frames, H, W, C].

    Raises:
      ValueError: if the model cannot sample, an option is out of range, or actions are too few.
    """
    if self.cannot_sample:
      raise ValueError(self.cannot_sample)
    if temperature <= 0:
      raise ValueError(f'temperature must be above 0, got {temperature}')
    model, frames = self.model, frames or self.sample_frames or self._clip_shape[0]
    primed = self.primed_frames if conditioning_frames is None else conditioning_frames
    if not 0 <= primed < min(frames, self._clip_shape[0] + 1):
      raise ValueError('conditioning_frames must be from 0 to '
                       f'{min(frames - 1, self._clip_shape[0])}, got {primed}')
    rows = self._to_draw(frames, primed)
    end = rows[-1][0] + self._frames
    actions = self._inputs(batch)[1]
    if actions is not None and actions.shape[1] < end:
      raise ValueError(f'a sample of {end} frames needs as many actions, but the clips have '
                       f'{actions.shape[1]}')
    video = tf.pad(batch['video'][:, :primed],
                   [[0, 0], [0, end - primed], [0, 0], [0, 0], [0, 0]])

    def draw(channels, start, index, first, owner):
      window = start + tf.range(self._frames)
      of_window = _cut(window, channels, actions)
      drawn = self._slice_sampler(owner, temperature)(
          *of_window, index, first, randomness.fold_in(randomness.fold_in(seed, start), index))
      return xla_context.update_slice(channels, drawn, [0, start, 0, 0, 0])

    def draw_row(i, channels):
      start, index, first = tf.unstack(tf.gather(table, i))
      if model.first_slice is None:
        return i + 1, draw(channels, start, index, first, model)
      return i + 1, tf.cond(
          index < model.slices[0],
          lambda: draw(channels, start, index, first, model.first_slice),
          lambda: draw(channels, start, index, first, model))

    channels = model.pixels.split(video)
    if tf.executing_eagerly():
      for start, index, first in tqdm.tqdm(rows, 'slices', leave=False,
                                           mininterval=bars.interval()):
        channels = draw(channels, *map(tf.constant, (start, index, first)), model.owner(index))
    else:
      table = tf.constant(rows)
      _, channels = tf.while_loop(
          lambda i, _: i < len(rows), draw_row, (tf.constant(0), channels))
    return model.pixels.join(channels)[:, :frames]

  def _to_draw(self, frames, primed):
    """The slices of a sample in the order of sampling: rows of (window start, slice, first pixel).

    The first pixel is the first one of the slice that is not given.
    """
    t, h, w = self.model.subscaling.slice_shape
    rows = []
    for start, primed in self._windows(frames, primed):
      for index in range(self.model.subscaling.slices):
        known = self._primed_of_slice(index, primed)
        if known < t:
          rows.append((start, index, known * h * w))
    return rows

  def _slice_sampler(self, owner, temperature):
    """Compiles `sample_slice` with XLA into one program for all slices and all window starts."""
    return self._program(
        (owner is self.model, temperature),
        lambda channels, actions, index, first, seed: owner.sample_slice(
            channels, index, first, seed, temperature, actions))


def _cut(window, *tensors):
  """Takes the frames of a window from tensors [B, T, ...]; a None stays None.

  `window` has the indices: int32 [T'] for all clips, or [B, T'] for each clip.
  """
  return [None if x is None else tf.gather(x, window, axis=1, batch_dims=window.shape.rank - 1)
          for x in tensors]
