"""What passes over real, reconstructed and generated videos share, and the pass over real ones."""

import dataclasses
import json

import numpy as np
import tqdm

from tf_videogen import bars
from tf_videogen.evaluation import measuring
from tf_videogen.evaluation import parts
from tf_videogen.evaluation import real_statistics
from tf_videogen.evaluation import reference_statistics
from tf_videogen.evaluation import videos
from tf_videogen.training import strategies

GALLERY_CLIPS = 8
GALLERY_SAMPLES = 3  # of each condition


class Passes:
  """Passes over videos.

  Subclasses set the attributes.

  Attributes:
    protocol: a Protocol.
    measures: its measures that are possible here.
    real: source of the real videos, see `videos`.
    generated: source of generated videos; None if they are drawn.
    strategy: a tf.distribute.Strategy.
    host, hosts: this worker's number, and the number of workers.
    extract: an `extraction.Extractor`.
    batch_size: videos at once, over all workers.
    random: whether networks have random weights.
    after_batch: a function that is called after every batch.
    gallery: {kind: videos to look at}.
    seen: number of generated videos that could be read.
    real_sums: {position of a measure: sums of real videos}, as far as they are known.
    unseen: {id of a measure: (measure, its file in the cache)} of real videos to be seen.
  """

  def _of(self, stream):
    return [measure for measure in self.measures if stream in measure.streams]

  def _add(self, totals, measures, clips):
    for measure in measures:
      measuring.add(totals.setdefault(id(measure), {}), measure.statistics(clips))

  def _merged(self, totals, measures):
    """{id of measure: sums}, added up over all workers."""
    return {id(m): strategies.sum_over_workers(
        self.strategy, totals.get(id(m), {}), measuring.add) for m in measures}

  def _cut(self, video):
    return video if self.protocol.frames is None else video[:, :self.protocol.frames]

  def _bar(self, batches, name, count, first=0):
    total = -(-count // self.batch_size)
    for batch in tqdm.tqdm(batches, name, total, unit='batch', leave=False, initial=first,
                           mininterval=bars.interval()):
      yield batch
      self.after_batch()

  def _real_pass(self):
    """{id of measure: sums} of real videos; sums that are in the cache are read from there.

    If each generated video is compared with a real one, the real ones are not seen here, but beside
    the generated ones.
    """
    totals = {id(self.measures[i]): sums for i, sums in self.real_sums.items()}
    for measure in self._of('real'):
      if id(measure) in totals:
        continue
      labels = [self.extract.labels[name] for name in measure.networks]
      if isinstance(self.real, reference_statistics.ReferenceVideos):
        totals[id(measure)] = self.real.sums(measure, labels)
        continue
      where = real_statistics.path(
          self.real, measure, labels, self.protocol.frames, self.protocol.classes,
          self.protocol.real_truncated)
      found = None if self.random else real_statistics.load(where)
      if strategies.any_worker(self.strategy)(found is None):
        self.unseen[id(measure)] = (measure, where)
      else:
        totals[id(measure)] = found
    if self.unseen and not self._of_pairs():
      measures, fresh = [measure for measure, _ in self.unseen.values()], {}
      for number, batch in self._resumed('real', self.real, (measures, fresh)):
        if self.generated is not None and number * self.batch_size < GALLERY_CLIPS:
          self._show('data', self._cut(batch['video']))
        self._add_real(fresh, self._of_classes(batch))
      totals.update(self._kept(fresh))
    self._remember(totals)
    return totals

  def _remember(self, sums):
    """Puts sums of real videos where a later run finds them."""
    self.real_sums.update({i: sums[id(measure)] for i, measure in enumerate(self.measures)
                           if id(measure) in sums})

  def _of_pairs(self):
    """Whether real videos are read beside generated ones of another source."""
    return self.generated is not None and any(measure.paired for measure in self.measures)

  def _add_real(self, sums, batch):
    """Adds a batch to the sums of real videos."""
    if len(batch['index']):
      video = self._cut(batch['video'])
      if self.protocol.real_truncated:
        video = videos.truncated(video)
      measures = [measure for measure, _ in self.unseen.values()]
      self._add(sums, measures, self._clips(video, batch, self.real.count))

  def _kept(self, sums):
    """{id of measure: sums} of real videos over all workers, put into the cache."""
    sums = self._merged(sums, [measure for measure, _ in self.unseen.values()])
    for measure, where in self.unseen.values():
      # Each worker for its own machine; files that could not be read are to be told again.
      if not (self.random or self.real.skipped):
        real_statistics.keep(where, sums[id(measure)])
    self.unseen = {}
    self._remember(sums)
    return sums

  def _show_real(self):
    """Shows the first real videos of two compared sides if no pass has read them."""
    if self.generated is None or 'data' in self.gallery or isinstance(
        self.real, reference_statistics.ReferenceVideos):
      return
    for batch in self.real.batches(self.batch_size, self.host, self.hosts):
      self._show('data', self._cut(batch['video']))
      if len(self.gallery['data']) >= GALLERY_CLIPS:
        break

  def _show(self, kind, video):
    shown = self.gallery.get(kind, video[:0])
    self.gallery[kind] = np.concatenate([shown, video])[:GALLERY_CLIPS]

  def _show_samples(self, batch, video):
    count = len(batch['index'])
    if 'video' in batch and (self.conditioning_frames or self.generated is not None):
      self._show('data', self._cut(batch['video']))
    for i in range(min(len(video) // count, GALLERY_SAMPLES)):
      self._show('samples' if i == 0 else f'samples_{i + 1}', video[i * count:(i + 1) * count])

  def _resumed(self, name, source, *groups):
    """Yields (number, batch) of a source, after what an earlier run has added to sums.

    Args:
      name: name of the pass.
      source: source of the videos.
      *groups: pairs of measures and their sums, {id of measure: sums}.
    """
    each = [(measure, sums) for measures, sums in groups for measure in measures]
    kept = parts.Parts(
        [name, source.identity(), self.batch_size, dataclasses.asdict(dataclasses.replace(
            self.protocol, measures=[], clips=None)), self.random,
         [[m.name, m.identity(), [self.extract.labels[n] for n in m.networks]] for m, _ in each]],
        self.hosts == 1)
    first, found, more = kept.read()
    for i, of_measure in found.items():
      measure, sums = each[i]
      sums[id(measure)] = of_measure
    self.seen += int(more.pop('seen', 0))
    source.skipped.update(json.loads(str(more.pop('skipped', '{}'))))
    self.gallery.update(more)
    batches = source.batches(self.batch_size, self.host, self.hosts, first)
    for number, batch in enumerate(self._bar(batches, name, source.count, first), first):
      yield number, batch
      kept.keep(number + 1,
                {i: sums[id(m)] for i, (m, sums) in enumerate(each) if id(m) in sums},
                {**self.gallery, 'seen': np.int64(self.seen),
                 'skipped': np.array(json.dumps(source.skipped))})
    kept.remove()

  def _of_classes(self, batch):
    """The rows of a batch that belong to the protocol's classes; all rows if it has none."""
    if self.protocol.classes is None:
      return batch
    if 'label' not in batch:
      raise ValueError(f'the protocol {self.protocol.name} is for some classes, but its videos '
                       "have no labels: set PreparedClips.features = {'label': 'label'}")
    kept = np.isin(batch['label'], list(self.protocol.classes.values()))
    return {name: value[kept] for name, value in batch.items()}

  def _clips(self, video, batch, count, real=None):
    samples = len(video) // len(batch['index'])
    label = batch.get('label')
    return measuring.Clips(
        video, np.tile(batch['index'] / count, samples),
        None if label is None else np.tile(label, samples), real, self.extract)
