"""Protocols: which videos are compared, how many, and by which measures. Gin files bind them."""

import dataclasses
import typing


@dataclasses.dataclass(eq=False)
class Protocol:
  """How a paper evaluates on a data set, see `gin/evaluation/<paper>_<dataset>.gin`.

  Attributes:
    name: name of the protocol in results.csv.
    measures: list of measures, see `measures`.
    split: split of the data from which real videos and conditions are taken.
    clips: source of the clips, for longer ones or another frame step; the experiment's if None.
    frames: number of first frames that are compared. If None, all are compared, and both sides must
      have equally many.
    videos: number of real videos; all of the split if None.
    generated: number of conditions for which samples are drawn; the number of real videos if None.
    samples_per_condition: number of samples for each condition.
    trials: number of times that all samples are drawn anew. Values are means over trials, with
      their standard deviations.
    sampling: dict of sampling options of the task, such as temperature; keyword arguments of its
      `sample` and `prepare_samples`.
    conditioning_frames: number of first frames that the paper gives to the model. The model must
      take equally many. If None, any number will do.
    real_windows: 'first' or 'random', the frames that are taken from longer real videos.
    generated_windows: 'first' or 'random', the frames that are taken from longer generated videos.
    real_truncated: whether real pixels are made floats and truncated to uint8 again, see
      `videos.truncated`.
    classes: dict of class names and labels. Samples are of these classes alone, equally many of
      each, and real videos of other classes are left out. If None, samples have the classes of
      their conditions.
    task_metrics: whether the task's own metrics (bits/dim, NMSE) belong to the protocol.
    task_splits: further splits for the task's own metrics. The names of these metrics begin with
      the split's, as in train_nats_per_code.
    deviation_over_n: whether standard deviations over trials divide by their number n, not n - 1.
    seed: seed of samples and of random windows.
    note: a few words in the note of every number, after the sampling options and the number of
      trials.
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
    """Names of the networks that the measures need."""
    return list(dict.fromkeys(name for m in self.measures for name in m.networks))

  @property
  def paired(self):
    """Whether a measure compares videos pair by pair."""
    return any(measure.paired for measure in self.measures)

  def noted(self, note):
    """A copy of the protocol with more words in the note of every number."""
    return dataclasses.replace(self, note=', '.join(filter(None, [self.note, note])))

  def unpaired(self):
    """A copy of the protocol without the measures that compare videos pair by pair."""
    return dataclasses.replace(
        self, measures=[measure for measure in self.measures if not measure.paired])


@dataclasses.dataclass
class Value:
  """One number of an evaluation.

  Attributes:
    metric: name of the metric.
    value: the number, a mean over trials.
    spread: standard deviation over trials or over splits; nan if there is none.
    examples: number of videos that it rests on: generated ones, if the measure looks at any.
    network: label of the network, or '' if there is none.
    note: how it was measured, as far as the other fields don't say it.
    low, high: ends of its 90 % interval; nan if it has none.
    floor: the value of real videos against other real ones; nan if it is not known.
  """
  metric: str
  value: float
  spread: float
  examples: int
  network: str
  note: str
  low: float = float('nan')
  high: float = float('nan')
  floor: float = float('nan')


@dataclasses.dataclass
class Evaluation:
  """The results of an evaluation.

  Attributes:
    values: list of Value.
    curves: {(metric, series): (axis, [(position, value, standard deviation or nan)])}.
    missing: {metric: how to get the network that it needs}.
    warnings: list of sentences.
    gallery: {kind: uint8 [n, T, H, W, C]}, some videos to look at.
    conditioning_frames: number of first frames of the samples that were given.
  """
  values: list
  curves: dict
  missing: dict
  warnings: list
  gallery: dict
  conditioning_frames: int
