"""Computes the numbers of a protocol in passes over real, reconstructed and generated videos.

Every video is seen once per pass; only the sums of the measures are kept. Each of several workers
sees its rows of every batch, and the sums are added up at the end of a pass.
"""

import copy

import numpy as np

from tf_videogen import experiment
from tf_videogen.evaluation import extraction
from tf_videogen.evaluation import extremes
from tf_videogen.evaluation import measuring
from tf_videogen.evaluation import passes
from tf_videogen.evaluation import protocols
from tf_videogen.evaluation import records
from tf_videogen.evaluation import reference_statistics
from tf_videogen.evaluation import videos
from tf_videogen.metrics import networks
from tf_videogen.training import strategies


def run(protocol, real, make, strategy, batch_size=8, random_networks=False, generated=None,
        conditioning_frames=0, kept=None, after_batch=lambda: None):
  """Evaluates generated videos by a protocol.

  Args:
    protocol: a Protocol.
    real: source of the real videos, which are also the conditions of samples; see `videos`.
    make: a maker of samples, see `videos`; None if `generated` is a source.
    strategy: a tf.distribute.Strategy.
    batch_size: videos at once, over all workers.
    random_networks: whether networks have random weights, for smoke tests.
    generated: a source of generated videos, instead of a maker.
    conditioning_frames: number of first frames of the videos of `generated` that were given.
    kept: a `records.Trials`, from which a stopped evaluation resumes; or None.
    after_batch: a function that is called after every batch; may raise.

  Returns:
    Evaluation.

  Raises:
    ValueError: if the videos, the model and the protocol don't fit together.
  """
  with strategies.scope(strategy):
    return _Run(protocol, real, make, strategy, batch_size, random_networks, generated,
                conditioning_frames, after_batch).evaluation(kept)


def task_values(config, protocol, model_dir, strategy, checkpoint):
  """The task's own metrics on at most `Protocol.videos` clips of each split of a protocol.

  Args:
    config: an Experiment.
    protocol: a Protocol.
    model_dir: a trained model's directory.
    strategy: a tf.distribute.Strategy.
    checkpoint: path of the checkpoint.

  Returns:
    A list of Value.
  """
  measured = experiment.measure(config, model_dir, strategy, checkpoint,
                                (protocol.split, *protocol.task_splits), protocol.videos)
  values = []
  for name, value in measured.items():
    split, _, metric = name.rpartition('/')
    if metric != 'examples':
      of_split = '' if split == protocol.split else f'{split}_'
      values.append(protocols.Value(of_split + metric, value, float('nan'),
                                    int(measured[f'{split}/examples']), '', ''))
  return values


def export(path, protocol, real, strategy, split, batch_size=8, random_networks=False):
  """Writes the statistics of real videos, see `reference_statistics`; the chief alone does.

  Args:
    path: path of the file, a str.
    split: name of the split, or of the folder.
    protocol, real, strategy, batch_size, random_networks: as in `run`.

  Returns:
    List of the names of the measures.

  Raises:
    ValueError: if a network is missing, or no measure looks at real videos.
  """
  with strategies.scope(strategy):
    one = _Run(protocol, real, None, strategy, batch_size, random_networks, None, 0, lambda: None)
    if one.extract.missing:
      raise ValueError(next(iter(one.extract.missing.values())))
    one._real_pass()
  sums = [(one.measures[i], [one.extract.labels[name] for name in one.measures[i].networks], found)
          for i, found in sorted(one.real_sums.items())]
  if not sums:
    raise ValueError(f'the protocol {protocol.name} has no measure that looks at real videos alone')
  if strategies.is_chief(strategy):
    reference_statistics.write(path, {
        'protocol': protocol.name, 'split': split, 'shape': list(real.shape),
        'videos': real.count, 'commit': records.commit(), 'note': protocol.note}, sums)
  return [measure.name for measure, _, _ in sums]


def run_each(protocol, real, generated, strategy, batch_size=8, random_networks=False,
             conditioning_frames=0):
  """Compares several sources of generated videos with the same real ones, which are seen once.

  Pairs need the pixels of real videos beside those of every source, so there they are seen anew.

  Args:
    generated: list of sources; for the other arguments, see `run`.

  Returns:
    A list of Evaluation.
  """
  found, first = [], None
  with strategies.scope(strategy):
    for source in generated:
      one = _Run(protocol, real, None, strategy, batch_size, random_networks, source,
                 conditioning_frames, lambda: None, first)
      found.append(one.evaluation(None))
      first = first or one
  return found


class _Run(passes.Passes):
  """One evaluation; arguments as in `run`, and an earlier _Run of the same real videos, if any."""

  def __init__(self, protocol, real, make, strategy, batch_size, random_networks, generated,
               conditioning_frames, after_batch, earlier=None):
    self.protocol, self.real, self.make, self.strategy = protocol, real, make, strategy
    self.batch_size, self.generated, self.after_batch = batch_size, generated, after_batch
    self.random = random_networks
    self.host, self.hosts = strategies.worker(strategy)
    self.extract = earlier.extract if earlier else extraction.Extractor(
        strategy, protocol.networks, random=random_networks)
    self.real_sums = earlier.real_sums if earlier else {}  # of measures, by their position
    self.unseen = {}  # measures of real videos that are not computed yet, and their files
    self.seen = 0  # generated videos that could be read
    self.warnings = []
    # Copies, because `_check` sets the number of given frames that they leave out.
    self.measures = [copy.copy(measure) for measure in protocol.measures if self._possible(measure)]
    self.count = (generated.count if generated is not None else
                  protocol.generated or real.count)
    self.conditioning_frames = conditioning_frames if make is None else make.conditioning_frames
    self.drawn = make is not None and make.drawn
    self.trials = protocol.trials if self.drawn and self._of('generated') else 1
    self.gallery = {}
    self._check()

  def _possible(self, measure):
    """Whether the networks and the videos that a measure needs are there."""
    reconstructs = self.make is not None and self.make.reconstructs
    if 'reconstructed' in measure.streams and not reconstructs:
      self.warnings.append(
          f'{measure.name} measures reconstructions, which only autoencoders make: left out')
      return False
    if any(name in self.extract.missing for name in measure.networks):
      return False
    if not isinstance(self.real, reference_statistics.ReferenceVideos):
      return True
    labels = [self.extract.labels[name] for name in measure.networks]
    if measure.paired:
      self.warnings.append(f'{measure.name} needs real videos, not their statistics: left out')
    elif 'real' in measure.streams and self.real.sums(measure, labels) is None:
      self.warnings.append(self.real.lacks(measure, labels))
    else:
      return True
    return False

  def _check(self):
    """Raises a ValueError before any long computation if the evaluation cannot be made."""
    wanted, model = self.protocol.conditioning_frames, self.conditioning_frames
    frames = self.protocol.frames or self.real.shape[0]
    if self.batch_size % self.hosts:
      raise ValueError(
          f'--batch_size={self.batch_size} is not divisible by the {self.hosts} workers')
    if frames > self.real.shape[0]:
      raise ValueError(f'Protocol.frames is {frames}, but the clips have {self.real.shape[0]}')
    if self.protocol.videos not in (None, self.real.count):
      self.warnings.append(f'the protocol {self.protocol.name} uses {self.protocol.videos:,} real '
                           f'videos, but there are {self.real.count:,}')
    if self.make is not None and wanted is not None and wanted != model:
      raise ValueError(f'the protocol {self.protocol.name} gives {wanted} frames to the model, but '
                       f'this model takes {model}')
    if self.protocol.classes and self.make is not None and not self.make.labelled:
      raise ValueError(f'the protocol {self.protocol.name} is for some classes, but the '
                       'model has no classes')
    for measure in self.measures:
      if measure.paired and self.protocol.generated_windows != 'first':
        raise ValueError(f'{measure.name} compares frame by frame, but random windows of samples '
                         'have other frames: change Protocol.generated_windows')
      if measure.paired and measure.conditioning_frames < model:
        measure.conditioning_frames = model
      if frames < measure.needs_frames():
        raise ValueError(f'{measure.name} needs {measure.needs_frames()} frames, but the clips '
                         f'have {frames}')

  def evaluation(self, kept):
    """Runs all passes; returns an Evaluation. `kept` is as in `run`."""
    done = []
    if kept:
      done = kept.read([self.count, self.extract.labels, self.real.identity()])
    totals, outcomes = {}, {}
    for trial in range(self.trials):
      measures = self.measures if trial == 0 else self._of('generated')
      if trial < len(done):
        found = done[trial]
      else:
        if not totals:
          totals = {'real': self._real_pass(), 'reconstructed': self._reconstructed_pass()}
        totals['generated'] = self._generated_pass(trial, totals)
        self._show_real()
        found = [measure.metrics({stream: sums.get(id(measure)) for stream, sums in totals.items()})
                 for measure in measures]
        if kept:
          kept.add(found, self.gallery, self.conditioning_frames)
      for measure, outcome in zip(measures, found):
        outcomes.setdefault(measure, []).append(outcome)
    ddof = 0 if self.protocol.deviation_over_n else 1
    return self._summary({measure: measuring.over_trials(found, ddof)
                          for measure, found in outcomes.items()})

  def _reconstructed_pass(self):
    measures, totals = self._of('reconstructed'), {}
    if not measures:
      return totals
    batches = self.real.batches(self.batch_size, self.host, self.hosts)
    for number, batch in enumerate(self._bar(batches, 'reconstructions', self.real.count)):
      video = self._first_frames(self.make.reconstruct(batch), 'a reconstruction')
      if number * self.batch_size < passes.GALLERY_CLIPS:
        self._show('reconstructions', video)
        if not self._of('generated') or not self.conditioning_frames:
          self._show('data', self._cut(batch['video']))
      self._add(totals, measures, self._clips(video, batch, self.real.count))
    return self._merged(totals, measures)

  def _generated_pass(self, trial, totals):
    """{id of measure: sums} of a trial's videos; puts real ones beside them into `totals`."""
    measures, sums = self._of('generated'), {}
    if not measures:
      return sums
    self.seen = 0
    name = 'generated' if self.trials == 1 else f'trial {trial + 1} of {self.trials}'
    if self.generated is None:
      pairs = enumerate(self._bar(self._pairs(trial), name, self.count))
      pairs = ((number, *pair) for number, pair in pairs)
    else:
      pairs = self._pairs_of_sources(measures, sums, totals.setdefault('beside', {}))
    for number, batch, video in pairs:
      self.seen += len(video)
      if trial == 0 and number * self.batch_size < passes.GALLERY_CLIPS:
        self._show_samples(batch, video)
      real = self._cut(batch['video']) if 'video' in batch else None
      self._add(sums, measures, self._clips(video, batch, self.count, real))
    beside = totals.pop('beside', None)
    if self.unseen:
      totals['real'].update(self._kept(beside))
    self.seen = int(strategies.sum_over_workers(
        self.strategy, {'seen': np.int64(self.seen)}, measuring.add)['seen'])
    return self._merged(sums, measures)

  def _pairs(self, trial):
    """Yields batches of n conditions, and their samples: uint8 [samples * n, T, H, W, C]."""
    done, number = 0, 0
    while done < self.count:  # again from the first condition if there are too few
      round_start = done
      for batch in self.real.batches(self.batch_size, self.host, self.hosts):
        if not len(batch['index']):  # no file of it can be read
          continue
        batch = {name: value[batch['index'] + round_start < self.count]
                 for name, value in batch.items()}
        if not len(batch['index']):
          break
        batch['index'] = batch['index'] + round_start
        if self.protocol.classes is not None:
          labels = np.array(list(self.protocol.classes.values()), np.int32)
          batch['label'] = labels[batch['index'] % len(labels)]
        samples = [self._windows(self.make.sample(batch, videos.seed_of(
            self.protocol.seed, trial, number, i)), batch['index'], trial, i)
                   for i in range(self.protocol.samples_per_condition)]
        yield batch, np.concatenate(samples)
        number += 1
      done = round_start + self.real.count

  def _pairs_of_sources(self, measures, sums, beside):
    """Yields (number, batch, generated videos), the real ones in the batch if pairs are compared.

    Args:
      measures, sums: measures of generated videos and their sums, {id of measure: sums}.
      beside: sums of the real videos that are seen beside the generated ones; they are added.
    """
    if not self._of_pairs():
      for number, batch in self._resumed('generated', self.generated, (measures, sums)):
        batch = self._of_classes(batch)
        if len(batch['index']):
          video = batch.pop('video')  # it is not a real clip
          yield number, batch, self._windows(video, batch['index'], 0, 0)
      return
    of_real = [measure for measure, _ in self.unseen.values()]
    extreme = extremes.Extremes(self.conditioning_frames)  # of those that this process sees
    for number, batch in self._resumed(
        'pairs', videos.Pairs(self.real, self.generated), (measures, sums), (of_real, beside)):
      if len(batch['index']):
        video, batch['video'] = self._cut(batch['video']), batch.pop('real')
        self._add_real(beside, batch)
        extreme.add(self._cut(batch['video']), video)
        yield number, batch, video
    self.gallery.update(extreme.arrays())

  @property
  def frames(self):
    """The number of frames that are compared."""
    return self.protocol.frames or self.real.shape[0]

  def _checked(self, video, what):
    """Returns videos, or raises a ValueError if they cannot be compared with the real ones."""
    if video.shape[2:4] != self.real.shape[1:3]:
      raise ValueError('{} has {} x {} pixels, but the clips have {} x {}: compare with clips of '
                       "the model's size".format(what, *video.shape[2:4], *self.real.shape[1:3]))
    if video.shape[1] < self.frames or (
        self.protocol.frames is None and video.shape[1] != self.frames):
      raise ValueError(f'{what} has {video.shape[1]} frames, but the protocol {self.protocol.name} '
                       f'compares {self.frames}; set Protocol.frames, or let the model make '
                       f'{self.frames}')
    return video

  def _first_frames(self, video, what):
    return self._checked(video, what)[:, :self.frames]

  def _windows(self, video, index, trial, sample):
    """Generated videos, cut to the protocol's frames; random windows follow from the position."""
    if self.protocol.generated_windows == 'first':
      return self._first_frames(video, 'a sample')
    self._checked(video, 'a sample')
    seeds = [[self.protocol.seed, trial, sample, i] for i in index]
    starts = [np.random.default_rng(seed).integers(0, video.shape[1] - self.frames + 1)
              for seed in seeds]
    window = np.array(starts)[:, np.newaxis] + np.arange(self.frames)
    return video[np.arange(len(video))[:, np.newaxis], window]

  def _summary(self, outcomes):
    """Makes an Evaluation of {measure: Measured}."""
    values, curves, warnings = [], {}, list(self.warnings)
    examples = self.seen or self.count * (  # of finished trials, none was seen now
        1 if self.make is None else self.protocol.samples_per_condition)
    for measure, outcome in outcomes.items():
      network = ', '.join(self.extract.labels[name] for name in measure.networks)
      note = ', '.join(filter(None, [self._note(measure), self._length_note(measure)]))
      seen = examples if 'generated' in measure.streams else self.real.count
      for metric, value in outcome.values.items():
        values.append(protocols.Value(
            metric, value, outcome.spreads.get(metric, np.nan),
            outcome.examples.get(metric, seen), network, note,
            *outcome.intervals.get(metric, (np.nan, np.nan)),
            outcome.floors.get(metric, np.nan)))
      for (metric, series), curve in outcome.curves.items():
        if network.startswith(networks.NOT_COMPARABLE):
          series = f'{series}, {networks.NOT_COMPARABLE}'
        curves[metric, series] = (outcome.axis, curve)
      warnings += outcome.warnings
    missing = {measure.name: self.extract.missing[name] for measure in self.protocol.measures
               for name in measure.networks if name in self.extract.missing}
    return protocols.Evaluation(values, curves, missing, list(dict.fromkeys(warnings)),
                                self.gallery, self.conditioning_frames)

  def _note(self, measure):
    """How samples were drawn, and how often; then the protocol's note."""
    parts = []
    if self.drawn and 'generated' in measure.streams:
      parts = [f'{name.replace("_", " ")} {value}'
               for name, value in self.protocol.sampling.items()]
      parts += [f'{self.trials} trials'] if self.trials > 1 else []
    return ', '.join(parts + ([self.protocol.note] if self.protocol.note else []))

  def _length_note(self, measure):
    """Says that clips are too short for a network, and to what length they are repeated."""
    if not measure.networks:
      return ''
    frames = measure.frames or self.protocol.frames or self.real.shape[0]
    least = max(self.extract.min_frames(name) for name in measure.networks)
    return f'{frames} frames, repeated to {least}' if frames < least else ''
