"""Stand-ins by which an evaluation takes a moment: networks, sources of videos, makers, models."""

import os

import numpy as np
import tensorflow as tf

from tf_videogen import building
from tf_videogen.evaluation import extraction
from tf_videogen.metrics import networks
from tf_videogen.metrics import pretrained
from tf_videogen.model_directory import layout

FEATURES, CLASSES = 6, 5
WEIGHTS = ['c3d_ucf101', 'i3d_kinetics400', 'i3d_kinetics600']
MIN_FRAMES = {'i3d_kinetics400': 9, 'i3d_kinetics400_port': 9, 'i3d_kinetics600': 9,
              'c3d_ucf101': 16}


class Network(tf.Module):
  """Looks at the mean frame's quarters and at how much changes from frame to frame.

  With any of `networks.CHANGES` for the values of pixels, it sees these values.
  """

  def __init__(self, min_frames, changes=()):
    super().__init__()
    self.low, self.high = next((networks._VALUES[c] for c in changes if c in networks._VALUES),
                               (0, 1))
    self.min_frames = min_frames
    self.model = tf.Module()
    self.model.kernel = tf.Variable(tf.zeros([15, FEATURES]))
    self.model.head = tf.Variable(tf.zeros([FEATURES, CLASSES]))

  def assign(self, arrays):
    self.model.kernel.assign(arrays['kernel'])
    self.model.head.assign(arrays['head'])

  def __call__(self, video):
    video = tf.cast(networks.repeated(video, self.min_frames), tf.float32) / 255
    video = video * (self.high - self.low) + self.low
    rows, columns = video.shape[2] // 2, video.shape[3] // 2
    mean = tf.reduce_mean(video, 1)
    quarters = [tf.reduce_mean(part, [1, 2]) for half in (mean[:, :rows], mean[:, rows:])
                for part in (half[:, :, :columns], half[:, :, columns:])]
    changes = tf.reduce_mean(tf.abs(video[:, 1:] - video[:, :-1]), [1, 2, 3])
    features = tf.tanh(tf.concat([*quarters, changes], 1) @ self.model.kernel)
    return {'features': features, 'logits': features @ self.model.head}


class Distances(tf.Module):
  """In the place of LPIPS: the mean differences of frames."""

  min_frames = 2

  def __init__(self):
    super().__init__()
    self.model = tf.Module()

  def assign(self, arrays):
    """It has no weights."""

  def __call__(self, video):
    a, b = tf.split(tf.cast(video, tf.float32) / 255, 2, 1)
    return {'distances': tf.reduce_mean(tf.abs(a - b), [2, 3, 4])}


def weights(name):
  """Weights of a network, as `pretrained.load` returns them."""
  if name == 'lpips_alexnet':
    return {'none': np.zeros([1], np.float32)}
  rng = np.random.default_rng(WEIGHTS.index(name))
  return {'kernel': rng.normal(0, 4, [15, FEATURES]).astype(np.float32),
          'head': rng.normal(0, 4, [FEATURES, CLASSES]).astype(np.float32)}


def install(monkeypatch, cache, missing=()):
  """Puts tiny networks in the place of all, their weights in a cache of their own."""
  def load(name):
    if name in missing:
      raise pretrained.Missing(f'the network {name} is not there; get it with '
                               f'{pretrained.get_command(name)}')
    return weights(name)

  makers = {name: lambda changes=(), frames=frames: Network(frames, changes)
            for name, frames in MIN_FRAMES.items()}
  makers['lpips_alexnet'] = Distances
  monkeypatch.setattr(networks, '_MAKERS', makers)
  monkeypatch.setattr(pretrained, 'load', load)
  monkeypatch.setenv('TF_VIDEOGEN_CACHE', str(cache))


def count_clips(monkeypatch):
  """Counts the clips that networks look at: a dict, network -> how many."""
  seen, whole = {}, extraction.Extractor.__call__

  def counting(self, name, video):
    seen[name] = seen.get(name, 0) + len(video)
    return whole(self, name, video)

  monkeypatch.setattr(extraction.Extractor, '__call__', counting)
  return seen


def outputs(name, video):
  """What a network says of all videos at once, from its definition: dict of float64."""
  video = np.repeat(video, 3, -1) if video.shape[-1] == 1 else video
  frames = np.arange(max(MIN_FRAMES[name], video.shape[1])) % video.shape[1]
  video = video[:, frames] / 255
  rows, columns = video.shape[2] // 2, video.shape[3] // 2
  mean = video.mean(1)
  quarters = [part.mean((1, 2)) for half in (mean[:, :rows], mean[:, rows:])
              for part in (half[:, :, :columns], half[:, :, columns:])]
  inputs = np.concatenate([*quarters, np.abs(np.diff(video, axis=1)).mean((1, 2, 3))], 1)
  arrays = {key: array.astype(np.float64) for key, array in weights(name).items()}
  features = np.tanh(inputs @ arrays['kernel'])
  return {'features': features, 'logits': features @ arrays['head']}


def videos(count, frames=16, height=8, width=8, channels=3, seed=0):
  """Noise of many brightnesses, uint8 [N, T, H, W, C]."""
  rng = np.random.default_rng(seed)
  brightness = rng.uniform(0.1, 1, [count, 1, 2, 2, channels]).repeat(height // 2, 2)
  noise = rng.uniform(0, 255, [count, frames, height, width, channels])
  return (brightness.repeat(width // 2, 3) * noise).astype(np.uint8)


class Source:
  """A source of the videos that it is given, with labels if you like; see `evaluation.videos`."""

  def __init__(self, video, label=None, name='fake'):
    self._all = {'video': video} if label is None else {'video': video, 'label': label}
    self._name = name
    self.count, self.shape, self.skipped = len(video), video.shape[1:], {}

  def identity(self):
    return [self._name, int(self._all['video'].astype(np.int64).sum())]

  def batches(self, batch_size, host=0, hosts=1, first=0):
    rows = batch_size // hosts
    for start in range(first * batch_size + host * rows, self.count, batch_size):
      batch = {name: array[start:start + rows] for name, array in self._all.items()}
      yield {**batch, 'index': start + np.arange(len(batch['video']))}


class Maker:
  """What a maker of videos says of itself; subclasses have `sample`, see `evaluation.videos`."""

  step = 7
  conditioning_frames = 0
  drawn = labelled = True
  reconstructs = False


class Noise(Maker):
  """A maker of samples that begin as given and go on as noise, of the seed and the condition."""

  reconstructs = True

  def __init__(self, conditioning_frames=0, frames=None):
    self.conditioning_frames, self.frames = conditioning_frames, frames
    self.seeds = []

  def sample(self, batch, seed):
    self.seeds.append(tuple(np.asarray(seed)))
    made = []
    for i, video in zip(batch['index'], batch['video']):
      made += list(videos(1, self.frames or len(video), *video.shape[1:],
                          seed=[*np.abs(self.seeds[-1]), int(i)]))
      made[-1][:self.conditioning_frames] = video[:self.conditioning_frames]
    return np.stack(made)

  def reconstruct(self, batch):
    return batch['video'] // 32 * 32


def save(experiment, model_dir, strategy, step=3, change=lambda task: None):
  """Writes the model directory of an experiment, untrained, as after so many steps."""
  spec = experiment.clips.example_spec()
  built = building.build(experiment, strategy, spec)
  built.step.assign(step)
  change(built.task)
  layout.save_spec(spec, str(model_dir))
  built.checkpoint.save_counter.assign(step - 1)
  built.checkpoint.save(os.path.join(model_dir, 'ckpt'))  # -<step>
  return built.task
