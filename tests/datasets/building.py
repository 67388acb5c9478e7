"""What tests of builders share: preparing, reading back, training on what was prepared."""

import collections
import contextlib
import functools
import json
import os
import pathlib
import shutil
import tempfile
from unittest import mock

from apache_beam.transforms import userstate
import numpy as np
import tensorflow_datasets as tfds

from tests.launch import in_process
from tf_videogen.data import clips
from tf_videogen.data import prepared
from tf_videogen.launch import train
from tf_videogen.preparation import clip_index
from tf_videogen.preparation import decoding
from tf_videogen.preparation import outcomes
from tf_videogen.preparation import piece_builder

SMOKE = 'videogpt/smoke.gin'


class _KeptDecoder(decoding.Decoder):
  """Takes over the process that another one has left, where there is one."""

  _left = []

  def kill(self):
    """Leaves the process alive."""

  def close(self):
    """Leaves the process to others."""
    if self._process is not None:
      self._left.append((self._process, self._connection))
      self._process = self._connection = None

  def _start(self):
    if self._left:
      self._process, self._connection = self._left.pop()
    else:
      super()._start()


def kept_processes():
  """A context in which decoders of the default limits go on with each other's processes."""
  return mock.patch.object(decoding, 'Decoder', _KeptDecoder)


class BuilderTestCase(tfds.testing.DatasetBuilderTestCase):
  """TFDS's checks, of raw data that `write(folder)`, a static method, makes.

  SPLITS are numbers of videos.
  """
  # Of tf.test.TestCase: as it is, it would be counted as a test that is skipped.
  test_session = property(lambda self: self.session)

  @classmethod
  def setUpClass(cls):
    """Writes the raw data."""
    cls.EXAMPLE_DIR = tempfile.mkdtemp()
    cls.addClassCleanup(shutil.rmtree, cls.EXAMPLE_DIR)
    cls.write(pathlib.Path(cls.EXAMPLE_DIR))
    kept = contextlib.ExitStack()
    kept.enter_context(kept_processes())
    cls.addClassCleanup(kept.close)
    super().setUpClass()

  def _assertNumSamples(self, builder):
    self.assertEqual(videos(builder), self.SPLITS)

  def _assertAsDataset(self, builder):
    records = {split: info.num_examples for split, info in builder.info.splits.items()}
    with mock.patch.object(type(self), 'SPLITS', records):
      super()._assertAsDataset(builder)


def prepare(builder_class, tmp_path, config, manual=True, beam_runner=None, **options):
  """Prepares a data set from tmp_path / 'manual' (or another folder) in tmp_path / 'data'."""
  builder = builder_class(data_dir=str(tmp_path / 'data'), config=config)
  builder.options = outcomes.Options(processes=2, **options)
  folder = {True: tmp_path / 'manual', False: None}.get(manual, manual)
  # Beam inspects the same functions hundreds of times.
  specs = functools.cache(userstate.get_dofn_specs)
  with kept_processes(), mock.patch.object(userstate, 'get_dofn_specs', specs):
    outcomes.prepare(builder, folder and str(folder), beam_runner)
  return builder


def examples(builder, split):
  """Examples of a split by id, read without the builder's code; pieces of a video are joined."""
  pieces = collections.defaultdict(list)
  for piece in tfds.as_numpy(
      tfds.builder_from_directory(builder.data_dir).as_dataset(split=split)):
    pieces[piece['id'].decode()].append(piece)
  return {name: _whole(found, builder.FRAMEWISE) for name, found in pieces.items()}


def _whole(pieces, framewise):
  """The example of a video from its pieces, which must be complete and in order."""
  frames = pieces[0]['video_frames']
  assert [piece['first_frame'] for piece in pieces] == list(
      range(0, frames, piece_builder.PIECE_FRAMES))
  whole = {name: np.concatenate([piece[name] for piece in pieces]) if name in framewise else value
           for name, value in pieces[0].items() if name != 'first_frame'}
  assert all(len(whole[name]) == frames for name in framewise)
  return whole


def videos(builder):
  """The number of videos in each split."""
  return {split: prepared.video_count(builder, split) for split in builder.info.splits}


def report(builder):
  """What preparation_report.json says."""
  return json.loads(pathlib.Path(builder.data_dir, outcomes.FILE_NAME).read_text())


def reasons(builder):
  """id -> reason of what the report says cannot be used."""
  return {failure['id']: failure['reason'] for failure in report(builder)['failed']}


def assert_same(builder, other):
  """Asserts that two builders wrote the same examples, and the same report but for the time."""
  assert set(builder.info.splits) == set(other.info.splits)
  for split in builder.info.splits:
    ours, theirs = examples(builder, split), examples(other, split)
    assert ours.keys() == theirs.keys()
    for name, example in ours.items():
      assert example.keys() == theirs[name].keys()
      for feature, value in example.items():
        np.testing.assert_array_equal(value, theirs[name][feature])
    index, other_index = (
        clip_index.of_split(made.info.splits[split], piece_builder.PIECE_FRAMES)
        for made in (builder, other))
    for name in ('sizes', 'rows', 'frames'):
      np.testing.assert_array_equal(getattr(index, name), getattr(other_index, name), name)
  assert builder.info.metadata == other.info.metadata
  without_time = lambda made: {k: v for k, v in report(made).items() if k != 'wall_time_s'}
  assert without_time(builder) == without_time(other)


def assert_makes_clips(builder, split='train'):
  """Asserts that a split has clips as the smallest VQ-VAE is trained on."""
  root = pathlib.Path(builder.data_dir).parents[2]
  source = clips.PreparedClips(
      f'{builder.name}/{builder.builder_config.name}', 16, data_dir=str(root), size=64,
      train_split=split, drop_short=True)
  batch = next(source.training(4, seed=0).as_numpy_iterator())
  assert batch['video'].shape[:4] == (4, 16, 64, 64) and batch['video'].std() > 1


def train_ten_steps(builder, tmp_path, split='train'):
  """Trains the smallest VQ-VAE on a split; fails unless it gets to step 10."""
  root = pathlib.Path(builder.data_dir).parents[2]
  model_dir = tmp_path / 'model'
  status = in_process.run(
      train.main, f'--gin_file={SMOKE}', f'--model_dir={model_dir}', f'--data_dir={root}',
      '--strategy=cpu', f'--gin_param=DATASET="{builder.name}/{builder.builder_config.name}"',
      '--gin_param=tasks.VQVAETask.data_variance = 0.06',  # that of 1,000 clips takes seconds
      f'--gin_param=TRAIN_SPLIT="{split}"', f'--gin_param=EVALUATION_SPLITS=("{split}",)',
      name='train')
  assert status == 0 and os.path.exists(model_dir / 'ckpt-10.index')


class FakeDownloads:
  """A download manager with a manual directory."""

  def __init__(self, folder):
    self.manual_dir = folder

  def download(self, url):
    """There is no network."""
    raise AssertionError(f'{url} is not in the manual directory')
