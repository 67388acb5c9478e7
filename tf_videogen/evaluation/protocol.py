"""A protocol: which videos are compared, how many, and by which measures. What gin files bind."""

import dataclasses


class Protocol:
  """How a paper evaluates on a data set; `gin/evaluation/<paper>_<dataset>.gin`.

  Args:
    name: what its rows in results.csv are called by.
    measures: see `measures`.
    split: of the data, for real videos and for conditions.
    clips: the data, where it is other than the experiment's: longer clips, another frame step.
    frames: of both sides that are compared, the first ones; None: all, which must be as many.
    videos: how many real videos; None: all of the split.
    generated: how many conditions samples are drawn for; None: as many as there are real videos.
    samples_per_condition: how many samples each condition gets.
    trials: how often all samples are drawn anew; numbers are means and standard deviations over them.
    sampling: dict of keyword arguments of the task's `sample`: temperature, and what a model has.
    conditioning_frames: how many first frames the paper gives; the model's must be as many. None:
      whatever the model has.
    real_windows: 'first' or 'random': which frames of longer real videos.
    generated_windows: the same of generated ones.
    classes: dict of names and labels, where samples are of these alone, equally many of each, and
      so are the real videos; None: of the conditions' classes.
    task_metrics: whether what the task itself measures (bits/dim, NMSE) belongs to it.
    seed: of samples, and of random windows.
    note: a few words that go with every number, after those of what is above.
  """

  def __init__(self, name, measures=(), split='test', clips=None, frames=None, videos=None,
               generated=None, samples_per_condition=1, trials=1, sampling=None,
               conditioning_frames=None, real_windows='first', generated_windows='first',
               classes=None, task_metrics=False, seed=0, note=''):
    self.name = name
    self.measures = list(measures)
    self.split = split
    self.clips = clips
    self.frames = frames
    self.videos = videos
    self.generated = generated
    self.samples_per_condition = samples_per_condition
    self.trials = trials
    self.sampling = dict(sampling or {})
    self.conditioning_frames = conditioning_frames
    self.real_windows = real_windows
    self.generated_windows = generated_windows
    self.classes = classes
    self.task_metrics = task_metrics
    self.seed = seed
    self.note = note
    for key in ('trials', 'samples_per_condition'):
      if getattr(self, key) < 1:
        raise ValueError(f'Protocol.{key} must be at least 1, got {getattr(self, key)}')

  @property
  def networks(self):
    """Names of the networks that its measures need."""
    return list(dict.fromkeys(name for m in self.measures for name in m.networks))


@dataclasses.dataclass
class Value:
  """A number of an evaluation.

  Attributes:
    metric: its name.
    value: the number; the mean over trials.
    spread: its standard deviation over trials, or over splits; nan where there is none.
    examples: how many generated videos it rests on.
    network: label of the network, '' where none takes part.
    note: what else must be known of it.
  """
  metric: str
  value: float
  spread: float
  examples: int
  network: str
  note: str


@dataclasses.dataclass
class Evaluation:
  """What an evaluation found.

  Attributes:
    values: list of Value.
    curves: {(metric, series): (axis, [(position, value, standard deviation or nan)])}.
    missing: {metric: how to get the network that it needs}.
    warnings: sentences.
    gallery: {kind: uint8 [n, T, H, W, C]}, some videos to look at.
    conditioning_frames: how many first frames of its samples were given.
  """
  values: list
  curves: dict
  missing: dict
  warnings: list
  gallery: dict
  conditioning_frames: int
