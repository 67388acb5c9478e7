"""The base class of builders of recorded videos: damaged ones are left out and reported.

`preparation_report.json` lies beside the prepared data. The same builders run on Beam if the
download configuration names a runner or its options, as `tfds build --beam_pipeline_options` does.
"""

import functools
import json
import os
import tempfile

import tensorflow as tf
import tqdm

from tf_videogen import bars
from tf_videogen import files
from tf_videogen.preparation import outcomes
from tf_videogen.preparation import piece_builder


class ReportingBuilder(piece_builder.PieceBuilder, skip_registration=True):
  """A builder whose raw data comes in pieces, mostly files. Subclasses define `_pieces`, `_reader`.

  Attributes:
    options: outcomes.Options of preparing. Set it before `download_and_prepare`.
  """

  # The share of unusable videos above which preparing stops, unless the options have another one.
  MAX_FAILED_SHARE = 0.1
  # The advice in errors after a pipeline of Beam has failed.
  TRY_AGAIN = 'Run the same command again'

  options = outcomes.Options()

  def _pieces(self, dl_manager):
    """Returns {split: [piece, ...]}. A piece has `videos`, int, the number of videos in it."""
    raise NotImplementedError

  def _reader(self):
    """Returns the reader of pieces, a context manager that can be pickled.

    Its method `read(piece)` yields (Outcome, example). The example of an unusable video is None.
    The Outcome's name is the example's key.
    """
    raise NotImplementedError

  @functools.cached_property
  def _notes(self):
    """What the report says beside the outcomes, a dict for JSON. `_pieces` may add to it."""
    return {}

  @functools.cached_property
  def _archives(self):
    """The archives beside the raw data: relative path -> whether it belongs to the data set."""
    return {}

  def _belonging(self, found_and_belong):
    """Returns the files that `raw_files.videos` or `opened_archives` found; notes the archives."""
    found, belong = found_and_belong
    for name, ours in belong.items():
      self._archives[name] = ours or self._archives.get(name, False)
    return found

  def _read_all(self, pieces):
    """Yields the (Outcome, example) that the reader makes of the pieces, in any order."""
    with self._reader() as reader:
      for piece in pieces:
        yield from reader.read(piece)

  def _extract_dir(self):
    """Returns the local folder for this data set's extracted archives, the same for all configs."""
    root = os.fspath(self.data_dir_root)
    if files.is_remote(root):
      root = files.private_folder(
          os.path.join(tempfile.gettempdir(), f'tf_videogen-{os.getuid()}'))
    return os.path.join(root, 'downloads', 'extracted', self.name)

  def _download_and_prepare(self, dl_manager, download_config):
    self._on_beam = bool(download_config.beam_runner or download_config.beam_options)
    self._outcomes = os.path.join(self.data_dir, 'outcomes')
    self._left_out = {}
    self._notes.clear()
    self._archives.clear()
    try:
      if self._on_beam:
        self._prepare_on_beam(dl_manager, download_config)
      else:
        super()._download_and_prepare(dl_manager, download_config)
    except outcomes.TooManyFailures as error:
      path = self._report.write(self.data_path.parent)
      raise outcomes.TooManyFailures(f'{error}. They are listed in {path}') from error
    self._report.write(self.data_dir)

  def _prepare_on_beam(self, dl_manager, download_config):
    self._in_pipeline = False
    try:
      super()._download_and_prepare(dl_manager, download_config)
    except Exception as error:  # runners have their own kinds
      if not self._in_pipeline:
        raise
      # The pipeline has failed before it could report the outcomes.
      if 'generated examples is 0' in str(error):
        raise ValueError(f'no video of a split of {self.name} can be used; is it the right folder? '
                         'Prepare without Beam to see the reasons') from error
      words = (str(error).strip() or type(error).__name__).splitlines()[-1]
      raise ValueError(f'the pipeline of Beam failed: {words}. {self.TRY_AGAIN} '
                       '(TF_VIDEOGEN_TRACEBACK=1 shows more)') from error
    self._read_outcomes()
    self._report.check()
    self._check_written()

  def _check_written(self):
    """Checks that all examples that workers made were written: a runner has lost some once."""
    for split, counts in self._report.frame_counts.items():
      made, written = (sum(found.values())
                       for found in (counts, self.info.metadata['frame_counts'][split]))
      if made != written:
        raise ValueError(f'Beam lost examples of split {split}: its workers made {made:,}, and '
                         f'{written:,} were written. {self.TRY_AGAIN}')

  def _check_any(self, split):
    if not self._report.frame_counts[split]:
      raise outcomes.TooManyFailures(
          f'{self._report.summary()}: no video of split {split} can be used')

  def _split_generators(self, dl_manager):
    pieces = {split: found for split, found in self._pieces(dl_manager).items() if found}
    unopened = sorted(name for name, ours in self._archives.items() if not ours)
    if unopened:
      self._notes['archives_not_opened'] = unopened
      print(f'{len(unopened):,} archives are not opened, because nothing tells that they belong to '
            f'{self.name}, such as {unopened[0]}', flush=True)
    if not pieces:
      raise FileNotFoundError(
          f'{self.name} finds no videos. {self.MANUAL_DOWNLOAD_INSTRUCTIONS or ""}'.strip())
    share = self.options.max_failed_share
    self._report = outcomes.Report(
        self.info.full_name,
        {split: sum(piece.videos for piece in found) for split, found in pieces.items()},
        self.MAX_FAILED_SHARE if share is None else share)
    self._report.left_out, self._report.notes = self._left_out, self._notes
    self._in_pipeline = True
    generate = self._beam_examples if self._on_beam else self._generate_examples
    return {split: generate(split, found) for split, found in pieces.items()}

  def _generate_examples(self, split, pieces):
    """Yields (key, record), and reports the outcomes."""
    total, in_pieces = self._report.expected[split], self._in_pieces(split)
    with tqdm.tqdm(total=total, desc=split, unit='video', mininterval=bars.interval()) as bar:
      for outcome, example in self._read_all(pieces):
        bar.update()
        self._report.add(split, outcome)
        self._report.check()
        if example is not None:
          yield from in_pieces(outcome.name, example)
    self._check_any(split)

  def _beam_examples(self, split, pieces):
    """Returns a PTransform that makes (key, record) and writes the outcomes to text files."""
    from tf_videogen.preparation import beam_examples  # pylint: disable=g-import-not-at-top
    return beam_examples.in_pieces(
        beam_examples.Examples(pieces, self._reader(), f'{self._outcomes}/{split}'),
        self._in_pieces(split))

  def _read_outcomes(self):
    """Adds the outcomes that Beam's workers wrote to the report, and removes their files."""
    for split in self._report.expected:
      for path in tf.io.gfile.glob(f'{self._outcomes}/{split}-*'):
        with tf.io.gfile.GFile(path) as file:
          for line in file:
            self._report.add(split, outcomes.Outcome(**json.loads(line)))
    tf.io.gfile.rmtree(self._outcomes)
