"""The base class of builders of video files. A subclass names the files; this does the rest.

Files are decoded in processes that may hang or die (`decoding`). Decoded videos go into a cache,
from which a stopped preparation resumes (`video_cache`).
"""

import collections
import dataclasses
import os

import tensorflow as tf
import tensorflow_datasets as tfds

from tf_videogen import files
from tf_videogen.preparation import decoding
from tf_videogen.preparation import outcomes
from tf_videogen.preparation import raw_videos
from tf_videogen.preparation import reporting_builder
from tf_videogen.preparation import video_cache


@dataclasses.dataclass
class VideoConfig(tfds.core.BuilderConfig):
  """One resolution of a data set.

  Attributes:
    short_side: pixels of the shorter side of the stored frames, whose aspect ratio is kept.
    frame_step: step between stored frames: every `frame_step`-th frame is stored.
    min_frames: the fewest stored frames of a video. Shorter videos are left out.
  """
  short_side: int = 64
  frame_step: int = 1
  min_frames: int = 16


@dataclasses.dataclass(frozen=True)
class Source:
  """A file of a data set.

  Attributes:
    id: name of the video, unique in the data set.
    path: path of the file, local or remote.
    features: dict of the features that are stored beside the frames, such as the label.
    problem: why the file is not to be used, one of `raw_videos.REASONS`; '' if no reason is known.
  """
  id: str
  path: str
  features: dict = dataclasses.field(default_factory=dict)
  problem: str = ''
  videos = 1


class VideoBuilder(reporting_builder.ReportingBuilder, skip_registration=True):
  """A data set of video files. A subclass defines `_sources`, and `_more_features` if needed."""

  TRY_AGAIN = 'Decoded videos are kept: the same command resumes from there'

  def _sources(self, dl_manager):
    """Returns the files of every split, {split: [Source, ...]}."""
    raise NotImplementedError

  def _more_features(self):
    """Returns the features beside video, fps and id, a dict for tfds.features.FeaturesDict."""
    return {}

  def _features(self):
    return {
        'video': tfds.features.Video(shape=(None, None, None, 3)),
        'fps': tf.float32,
        'id': tfds.features.Text(),
        **self._more_features(),
    }

  def _video_info(self, homepage):
    """Returns the info that `_info` of a subclass returns."""
    return self.dataset_info_from_configs(homepage=homepage, **self._stored(self._features()))

  def _pieces(self, dl_manager):
    pieces = {}
    for split, sources in self._sources(dl_manager).items():
      if any(tf.io.gfile.exists(source.path) for source in sources):
        pieces[split] = _without_duplicates(sources)
        self._warn_of_unlabelled(split, pieces[split])
      elif sources:  # a list without videos
        self._left_out[split] = len(sources)
        print(f'split {split} is left out: none of its {len(sources):,} videos is there')
    return pieces

  def _warn_of_unlabelled(self, split, sources):
    count = sum(map(_is_unlabelled, sources))
    if count and split == 'train':
      self._notes[outcomes.UNLABELLED] = count
      print(f'{count:,} of the {len(sources):,} training videos have no label (it is -1): a model '
            'with classes takes them as of no class', flush=True)

  def _reader(self):
    config = self.builder_config
    root = os.path.expanduser(
        self.options.cache_dir or os.path.join(self.data_dir_root, 'decoded'))
    # A folder of its own, because it is removed in the end.
    cache_dir = os.path.join(root, self.name, self._cache_name())
    job = decoding.Job(
        '', config.short_side, config.frame_step,
        limits=raw_videos.Limits(min_frames=config.min_frames))
    return VideoReader(job, video_cache.VideoCache(cache_dir), self.options.time_limit)

  def _cache_name(self):
    """Returns the name of the cache's folder in the data set's. Resumed runs must have the same."""
    return self.builder_config.name

  def _read_all(self, sources):
    processes = min(self.options.processes or os.cpu_count(), len(sources))
    reader = self._reader()
    files.remove_left(reader.cache.folder)
    return reader.read_all(sources, processes)

  def _post_download_and_prepare_hook(self):
    if not self.options.keep_decoded:
      self._reader().cache.clear()


class VideoReader:
  """Decodes the files of Sources in a process that may hang or die. Cached videos are reused.

  Args:
    job: decoding.Job, whose path is replaced by each source's path.
    cache: video_cache.VideoCache in a folder that all workers share.
    time_limit: int, the most seconds per file.
  """

  def __init__(self, job, cache, time_limit):
    self.cache = cache
    self._job, self._time_limit, self._decoder = job, time_limit, None

  def __enter__(self):
    self._decoder = decoding.Decoder(self._time_limit)
    return self

  def __exit__(self, *error):
    self._decoder.close()

  def read(self, source):
    """Yields the (Outcome, example) of a Source."""
    job, decoded = self._known(source)
    if decoded is None:
      decoded = self._kept(job, self._decoder.decode(job))
    yield _result(source, decoded)

  def read_all(self, sources, processes):
    """Yields (Outcome, example) of many Sources, the cached ones first; decodes in `processes`."""
    waiting = collections.defaultdict(list)  # several sources may have the same file
    for source in sources:
      job, decoded = self._known(source)
      if decoded is None:
        waiting[job].append(source)
      else:
        yield _result(source, decoded)
    with decoding.Pool(processes, time_limit=self._time_limit) as pool:
      for job, decoded in pool.decode(waiting):
        self._kept(job, decoded)
        yield from (_result(source, decoded) for source in waiting[job])

  def _known(self, source):
    """Returns a source's job and what is known of its result; None if it has to be decoded."""
    job = dataclasses.replace(self._job, path=source.path)
    return job, raw_videos.Unusable(source.problem) if source.problem else self.cache.get(job)

  def _kept(self, job, decoded):
    """Puts a decoded video into the cache, but nothing Unusable; returns its argument."""
    if not isinstance(decoded, raw_videos.Unusable):
      self.cache.put(job, decoded)
    return decoded


def _without_duplicates(sources):
  """Returns the sources. Of several with one id, the first one with a label counts, or the first.

  Others are left out if they are the same video, by links or by their name in another folder. If
  not, they become duplicates.
  """
  counting = {}
  for source in sources:
    best = counting.setdefault(source.id, source)
    if _is_unlabelled(best) and not _is_unlabelled(source):
      counting[source.id] = source
  kept = []
  for source in sources:
    best = counting[source.id]
    if source is best:
      kept.append(source)
    elif os.path.basename(source.path) != os.path.basename(best.path) and (
        os.path.realpath(source.path) != os.path.realpath(best.path)):
      kept.append(dataclasses.replace(source, problem='duplicate'))
  return kept


def _is_unlabelled(source):
  return source.features.get('label') == -1


def _result(source, decoded):
  """Returns (Outcome, example) of a Source, from a RawVideo of PNG files or from Unusable."""
  if isinstance(decoded, raw_videos.Unusable):
    return outcomes.Outcome(
        source.id, source.path, reason=decoded.reason, detail=decoded.detail), None
  outcome = outcomes.Outcome(source.id, source.path, len(decoded.frames), decoded.fps)
  return outcome, {
      'video': decoded.frames, 'fps': decoded.fps, 'id': source.id, **source.features}
