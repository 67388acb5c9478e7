"""What docs/extending.md says is true of a toy of a paper, of a measure and of a data set.

The programs of launch/ take them as they are: all that they need is in this folder.
"""

import pathlib

import gin
import numpy as np
import pytest
import tensorflow as tf

from tests import raw_data
from tests.extending import measure as toy_measure
from tests.extending import next_frame
from tests.extending.squares_clips import squares_clips_dataset_builder
from tests.launch import in_process
from tf_videogen import building
from tf_videogen import experiment as experiments
from tf_videogen.data import clips as clips_lib
from tf_videogen.evaluation import measuring
from tf_videogen.launch import configs
from tf_videogen.launch import evaluate
from tf_videogen.launch import export
from tf_videogen.launch import prepare
from tf_videogen.launch import report
from tf_videogen.launch import sample
from tf_videogen.launch import train
from tf_videogen.layers import randomness
from tf_videogen.model_directory import results

FOLDER = pathlib.Path(__file__).parent
GIN, PROTOCOL = FOLDER / 'next_frame.gin', FOLDER / 'brightness.gin'
SEED = randomness.seed_of(0)


def _run(program, *arguments):
  """Runs a program, which must succeed."""
  try:
    assert in_process.run(program.main, *arguments) == 0
  finally:
    gin.clear_config()


@pytest.fixture(name='model_dir', scope='module')
def _model_dir(tmp_path_factory):
  """The model directory of the toy, trained."""
  model_dir = tmp_path_factory.mktemp('extending') / 'next_frame'
  _run(train, f'--gin_file={GIN}', f'--model_dir={model_dir}', '--strategy=cpu')
  return model_dir


def _sampled(model_dir, output, *arguments):
  """What launch.sample writes for test clips: a dict of arrays."""
  _run(sample, f'--model_dir={model_dir}', '--strategy=cpu', f'--output={output}', *arguments)
  with np.load(output / 'samples.npz') as found:
    return dict(found)


# --- a paper: what it must reach, by the programs ---


def test_training_reaches_its_bound(model_dir):
  """The loss is below 0.008, and next frames are 2.5 dB better than copies of the last ones."""
  losses = [row['loss'] for row in results.read_training_log(str(model_dir))]
  assert len(losses) == 3 and losses[-1] < 0.008
  found = {row.metric: row.value for row in results.read_results(str(model_dir))}
  assert set(found) == {'psnr', 'psnr_copy_last_frame'}
  assert found['psnr'] > found['psnr_copy_last_frame'] + 2.5
  with np.load(model_dir / 'previews' / 'test.npz') as previews:
    assert set(previews) == {'data', 'samples', 'conditioning_frames'}


def test_evaluations(model_dir, tmp_path, monkeypatch, capsys):
  """Its own metrics again, and those of the protocol with the toy of a measure."""
  monkeypatch.setenv('TF_VIDEOGEN_CACHE', str(tmp_path / 'cache'))
  trained, *_ = results.read_results(str(model_dir))
  _run(evaluate, f'--model_dir={model_dir}', '--strategy=cpu')
  psnr = capsys.readouterr().out.split('test/psnr ')[1].split()[0]
  assert float(psnr) == pytest.approx(trained.value, rel=1e-5)

  _run(evaluate, f'--model_dir={model_dir}', f'--gin_file={PROTOCOL}', '--strategy=cpu')
  row = results.read_results(str(model_dir))[-1]
  assert (row.protocol, row.metric, row.examples) == ('brightness', 'brightness_difference', 12)
  videos = _sampled(model_dir, tmp_path / 'samples', '--num_samples=12')
  assert row.value == pytest.approx(videos['samples'].mean() - videos['data'].mean(), abs=1e-6)

  _run(report, f'--model_dir={model_dir}', f'--output={tmp_path / "report.html"}')
  assert 'Brightness difference' in (tmp_path / 'report.html').read_text()


def test_samples(model_dir, tmp_path):
  """They begin with the given frames, are as long as is asked for, and move."""
  videos = _sampled(model_dir, tmp_path, '--num_samples=2', '--sample_frames=9')
  assert videos['samples'].shape == (2, 9, 16, 16, 1) and videos['conditioning_frames'] == 2
  np.testing.assert_array_equal(videos['samples'][:, :2], videos['data'][:, :2])
  changes = np.abs(np.diff(videos['samples'].astype(int), axis=1)).max((2, 3, 4))
  assert changes.min() > 5, changes


def test_an_export_samples_the_same(model_dir, tmp_path):
  """It gives the first frames alone."""
  videos = _sampled(model_dir, tmp_path / 'samples', '--num_samples=2')
  _run(export, f'--model_dir={model_dir}', f'--export_dir={tmp_path / "exported"}',
       '--batch_size=2')
  draw = tf.saved_model.load(str(tmp_path / 'exported')).signatures['sample']
  drawn = draw(seed=tf.constant(0), video=tf.constant(videos['data'][:, :2]))['videos']
  np.testing.assert_allclose(drawn.numpy().astype(int), videos['samples'], atol=1)


# --- a paper: what its own tests are ---


def _task(context=2, hidden=4, clip_shape=(5, 8, 8, 1)):
  task = next_frame.NextFrameTask(next_frame.NextFrame(context, hidden))
  task.build(clip_shape)
  return task


def _convolved(x, layer):
  """[N, H, W, C] -> [N, H, W, filters]: sums of shifted images."""
  kernel, bias = (weights.numpy() for weights in layer.weights)
  side, (height, width) = len(kernel), x.shape[1:3]
  x = np.pad(x, [(0, 0), (side // 2,) * 2, (side // 2,) * 2, (0, 0)])
  return bias + sum(x[:, i:i + height, j:j + width] @ kernel[i, j]
                    for i in range(side) for j in range(side))


def test_predictions_against_numpy():
  model = _task(context=3, clip_shape=(5, 8, 8, 3)).model
  frames = np.random.default_rng(0).uniform(-0.5, 0.5, (2, 4, 8, 8, 3)).astype(np.float32)
  seen = [np.concatenate([frames[:, t + i] for i in range(3)], -1) for t in range(2)]
  expected = [frames[:, t + 2] + _convolved(np.maximum(_convolved(x, model.hidden), 0),
                                            model.change) for t, x in enumerate(seen)]
  np.testing.assert_allclose(model(frames), np.stack(expected, 1), atol=1e-5)


def test_exact_number_of_parameters():
  variables = _task(hidden=32).trainable_variables
  assert sum(variable.shape.num_elements() for variable in variables) == 1_921


@pytest.mark.parametrize('changed', range(5))
def test_a_frame_changes_the_predictions_of_the_two_after_it_alone(changed):
  model = _task().model
  frames = np.random.default_rng(0).uniform(-0.5, 0.5, (1, 5, 8, 8, 1)).astype(np.float32)
  before = model(frames).numpy()
  frames[:, changed] += 0.3
  moved = np.abs(model(frames).numpy() - before).max((0, 2, 3, 4)) > 0
  np.testing.assert_array_equal(
      moved, [changed < frame <= changed + 2 for frame in range(2, 6)])


def test_metrics_against_numpy_where_the_last_clip_is_padding():
  task = _task()
  video = np.random.default_rng(0).integers(256, size=(3, 5, 8, 8, 1), dtype=np.uint8)
  batch = {'video': tf.constant(video), 'valid': tf.constant([True, True, False])}
  sums = {name: value.numpy() for name, value in task.statistics(batch, SEED).items()}
  predicted = task.model(video[:2, :-1] / np.float32(255) - 0.5).numpy() + 0.5
  found = {'psnr': np.round(255 * predicted.clip(0, 1)), 'psnr_copy_last_frame': video[:2, 1:-1]}
  errors = {name: np.mean((frames.astype(float) - video[:2, 2:])**2, axis=(2, 3, 4))
            for name, frames in found.items()}
  expected = {name: np.mean(10 * np.log10(255**2 / error)) for name, error in errors.items()}
  assert sums['examples'] == 2 and task.metrics(sums) == pytest.approx(expected, rel=1e-3)


def test_replicas_agree(cpu, two_replicas):
  """Terms and variables after each of two steps."""
  configs.parse([str(GIN)], [])
  found = {}
  for strategy in (cpu, two_replicas):
    config = configs.configured(experiments.Experiment)()
    built = building.build(config, strategy, config.clips.example_spec())
    with strategy.scope():
      trainer = building.make_trainer(config, built)
      found[strategy] = [trainer.train(1) for _ in range(2)], [
          variable.numpy() for variable in built.task.trainable_variables]
  gin.clear_config()
  for one, two in zip(found[cpu][0], found[two_replicas][0]):
    assert one.keys() == two.keys() == {'loss', 'gradient_norm', 'learning_rate'}
    np.testing.assert_allclose(list(one.values()), list(two.values()), rtol=1e-4)
  for one, two in zip(found[cpu][1], found[two_replicas][1], strict=True):
    np.testing.assert_allclose(two, one, atol=1e-4)


@pytest.mark.parametrize('frames', [1, 2])
def test_clips_that_are_too_short(frames):
  with pytest.raises(ValueError, match=f'NextFrame.context = 2 .*than the {frames} of a clip'):
    _task(clip_shape=(frames, 8, 8, 1))
  with pytest.raises(ValueError, match=f'above the 2 that are given, got {frames}'):
    _task().sample({'video': tf.zeros([1, 2, 8, 8, 1], tf.uint8)}, SEED, frames=frames)


# --- a metric ---


@pytest.mark.parametrize('frames', [None, 2])
def test_sums_of_batches_give_the_measure_of_all_videos(frames):
  rng = np.random.default_rng(0)
  streams = {'real': rng.integers(100, size=(7, 4, 8, 8, 1), dtype=np.uint8),
             'generated': rng.integers(256, size=(5, 4, 8, 8, 1), dtype=np.uint8)}
  made, totals = toy_measure.BrightnessDifference(frames), {}
  for stream, video in streams.items():
    totals[stream] = {}
    for rows in (slice(0, 3), slice(3, None)):
      batch = measuring.Clips(video[rows], np.arange(len(video))[rows] / len(video))
      measuring.add(totals[stream], made.statistics(batch))
  expected = streams['generated'][:, :frames].mean() - streams['real'][:, :frames].mean()
  assert made.metrics(totals).values == {'brightness_difference': pytest.approx(expected)}


# --- a data set ---


def test_prepared_clips(tmp_path, capsys):
  """What launch.prepare writes is read as clips; a file that is no video is left out and told."""
  for i, split in enumerate(('train', 'train', 'train', 'test')):
    path = tmp_path / 'raw' / split / f'square{i}.mp4'
    raw_data.write_video(path, raw_data.moving_square(8 + i, 24, 32, seed=i))
  (tmp_path / 'raw' / 'train' / 'broken.mp4').write_bytes(b'')
  _run(prepare, '--dataset=squares_clips/16', f'--manual_dir={tmp_path / "raw"}',
       f'--data_dir={tmp_path}', '--num_processes=1', '--max_failed_share=0.5')
  said = capsys.readouterr().out
  assert 'train 3, test 1' in said and '5 videos: 4 prepared, 1 unusable (empty 1)' in said
  assert squares_clips_dataset_builder.Builder.name == 'squares_clips'
  clips = clips_lib.PreparedClips('squares_clips/16', 6, data_dir=str(tmp_path), size=16)
  batch = next(clips.training(3, seed=0).as_numpy_iterator())
  assert batch['video'].shape == (3, 6, 16, 16, 3) and batch['video'].std() > 1
  tested, = clips.evaluation('test', 1).as_numpy_iterator()
  assert tested['id'] == [b'square3'] and tested['valid'] == [True]
