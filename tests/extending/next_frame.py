"""Next frames: a toy of a paper, in one file where a real one has two; see docs/extending.md.

    frames [B, N, H, W, C] in [-0.5, 0.5]
      -> the `context` last frames at every time, as channels
      -> convolution, ReLU, convolution -> change
      -> next frame: the last one, plus the change

Of gray frames, with the default sizes, there are 1,632 + 289 = 1,921 parameters.

Gin file: `tests/extending/next_frame.gin`.
"""

import tensorflow as tf

from tf_videogen import objectives
from tf_videogen.metrics import image_quality
from tf_videogen.tasks import task
from tf_videogen.tasks import videogpt


class NextFrame(tf.keras.Model):
  """Predicts each next frame from the frames before it.

  Args:
    context: how many frames a prediction is made from.
    hidden: channels of the hidden layer.
  """

  def __init__(self, context=2, hidden=32, name='next_frame'):
    super().__init__(name=name, autocast=False)  # the last frame stays float32
    self.context = context
    self.hidden = tf.keras.layers.Conv2D(hidden, 5, padding='same', activation='relu')

  def build(self, input_shape):
    """Creates the variables for clips [B, T, H, W, C]."""
    self.change = tf.keras.layers.Conv2D(input_shape[-1], 3, padding='same')
    self.built = True  # Keras's own build would call the model with an unknown batch size
    self(tf.zeros((1, *input_shape[1:])))

  def call(self, frames):
    """Predicts the frames after the first `context` ones, and the one after the last.

    Args:
      frames: float32 [B, N, H, W, C] in [-0.5, 0.5].

    Returns:
      float32 [B, N - context + 1, H, W, C], in about that range.
    """
    count = frames.shape[1] - self.context + 1
    seen = tf.concat([frames[:, i:i + count] for i in range(self.context)], axis=-1)
    return frames[:, -count:] + tf.cast(self.change(self.hidden(seen)), tf.float32)


class NextFrameTask(task.LossTask):
  """Trains by the squared error of next frames, of true frames before them.

  Args:
    model: a NextFrame.
  """

  @property
  def conditioning_frames(self):
    """How many first frames of a sample are given."""
    return self.model.context

  def build(self, clip_shape):
    """Creates the variables for clips (T, H, W, C)."""
    if clip_shape[0] <= self.model.context:
      raise ValueError(f'NextFrame.context = {self.model.context} frames, and a next one, are more '
                       f'than the {clip_shape[0]} of a clip')
    self._frames = clip_shape[0]
    self.model.build((None, *clip_shape))

  def _predicted(self, video):
    """uint8 [B, T, H, W, C] -> frames after the first `context`, float32 in about [-0.5, 0.5]."""
    return self.model(videogpt.to_float(video[:, :-1]))

  def loss(self, batch, seed):
    """The squared error, mean over this replica's clips."""
    del seed
    target = videogpt.to_float(batch['video'][:, self.model.context:])
    error = objectives.squared_error(self._predicted(batch['video']), target)
    return {'loss': tf.reduce_mean(error)}

  def statistics(self, batch, seed):
    """Sums over valid clips: PSNR of next frames, and of copies of the frames before them."""
    del seed
    video, context = batch['video'], self.model.context
    found = {'psnr': videogpt.to_uint8(self._predicted(video)),
             'psnr_copy_last_frame': video[:, context - 1:-1]}
    sums = {name: objectives.sum_of_valid(
        tf.reduce_mean(image_quality.psnr(frames, video[:, context:]), axis=1), batch['valid'])
            for name, frames in found.items()}
    return {**sums, 'examples': tf.reduce_sum(tf.cast(batch['valid'], tf.float32))}

  def metrics(self, sums):
    """PSNR in dB, and that of copies, means over clips and frames."""
    return {name: sums[name] / sums['examples'] for name in ('psnr', 'psnr_copy_last_frame')}

  def previews(self, batch, seed):
    """Clips, and samples that begin with the same frames, uint8 [B, T, H, W, C] each."""
    return {'data': batch['video'], 'samples': self.sample(batch, seed)}

  def sample(self, batch, seed, frames=None):
    """Continues the first frames of each clip, frame by frame.

    Args:
      batch: as from the data; of `video`, the first `context` frames are read.
      seed: int32 [2]; nothing is drawn.
      frames: of a sample; None: as many as a clip has.

    Returns:
      uint8 [B, frames, H, W, C].
    """
    del seed
    context, frames = self.model.context, self._frames if frames is None else frames
    if frames <= context:
      raise ValueError(f'frames must be above the {context} that are given, got {frames}')
    video = batch['video'][:, :context]
    while video.shape[1] < frames:
      following = self.model(videogpt.to_float(video[:, -context:]))
      video = tf.concat([video, videogpt.to_uint8(following)], axis=1)
    return video
