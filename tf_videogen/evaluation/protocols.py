"""A protocol: which videos are compared, how many, and by which measures. What gin files bind."""

import dataclasses
import typing


@dataclasses.dataclass(eq=False)
class Protocol:
  """How a paper evaluates on a data set; `gin/evaluation/<paper>_<dataset>.gin`.

  Attributes:
    name: what its rows in results.csv are called by.
    measures: see `measures`.
    split: of the data, for real videos and for conditions.
    clips: the data, where it is other than the experiment's: longer clips, another frame step.
    frames: of both sides that are compared, the first ones; None: all, which must be as many.
    videos: how many real videos; None: all of the split.
    generated: how many conditions samples are drawn for; None: as many as there are real videos.
    samples_per_condition: how many samples each condition gets.
    trials: how often all samples are drawn anew; numbers are means and deviations over them.
    sampling: dict of keyword arguments of the task's `sample`: temperature, and what a model has.
    conditioning_frames: how many first frames the paper gives; the model's must be as many. None:
      whatever the model has.
    real_windows: 'first' or 'random': which frames of longer real videos.
    generated_windows: the same of generated ones.
    real_truncated: whether real pixels become floats and whole numbers again, see
      `videos.truncated`.
    classes: dict of names and labels, where samples are of these alone, equally many of each, and
      so are the real videos; None: of the conditions' classes.
    task_metrics: whether what the task itself measures (bits/dim, NMSE) belongs to it.
    task_splits: further splits that the task measures; their metrics have the split's name before
      theirs, as train_nats_per_code.
    deviation_over_n: whether standard deviations over trials divide by their number n, not n - 1.
    seed: of samples, and of random windows.
    note: a few words that go with every number, after those of what is above.
  """

  name: str
  measures: list = ()
  split: str = 'test'
  clips: typing.Any = None
  frames: int | None = None
  videos: int | None = None
  generated: int | None = None
  samples_per_condition: int = 1
  trials: int = 1
  sampling: dict | None = None
  conditioning_frames: int | None = None
  real_windows: str = 'first'
  generated_windows: str = 'first'
  real_truncated: bool = False
  classes: dict | None = None
  task_metrics: bool = False
  task_splits: tuple = ()
  deviation_over_n: bool = False
  seed: int = 0
  note: str = ''

  def __post_init__(self):
    self.measures = list(self.measures)
    self.sampling = dict(self.sampling or {})
    for key, value in (('trials', self.trials),
                       ('samples_per_condition', self.samples_per_condition)):
      if value < 1:
        raise ValueError(f'Protocol.{key} must be at least 1, got {value}')
    for key, value in (('real_windows', self.real_windows),
                       ('generated_windows', self.generated_windows)):
      if value not in ('first', 'random'):
        raise ValueError(f"Protocol.{key} must be 'first' or 'random', got {value!r}")

  @property
  def networks(self):
    """Names of the networks that its measures need."""
    return list(dict.fromkeys(name for m in self.measures for name in m.networks))

  @property
  def paired(self):
    """Whether it compares videos pair by pair."""
    return any(measure.paired for measure in self.measures)

  def noted(self, note):
    """The same protocol, with more words that go with every number."""
    return dataclasses.replace(self, note=', '.join(filter(None, [self.note, note])))

  def unpaired(self):
    """The same protocol without its measures of pairs."""
    return dataclasses.replace(
        self, measures=[measure for measure in self.measures if not measure.paired])


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
