"""The Video Transformer's task: bits/dim of all slices and windows, samples that begin as given."""
import functools

import numpy as np
import pytest
import tensorflow as tf

from tf_videogen import experiment
from tf_videogen import tasks
from tf_videogen.datasets.moving_mnist_clips import digits
from tf_videogen.datasets.moving_mnist_clips import moving_digits
from tf_videogen.layers import block_attention
from tf_videogen.layers import channel_prediction
from tf_videogen.layers import randomness
from tf_videogen.model_directory import results
from tf_videogen.models import video_transformer
from tf_videogen.training import optimizers

CLIP = (4, 4, 4, 1)
STACK = functools.partial(
    video_transformer.LayerStack, blocks=[(2, 2, 1)], heads=2, width=16,
    attention=functools.partial(block_attention.BlockLocalAttention, head_width=8))


pytestmark = pytest.mark.usefixtures('same_initial_values')


def _decoder(layers=None):
  return video_transformer.SliceDecoder(functools.partial(STACK, layers=layers), embedding=8)


def _model(subscale, actions, first_slice=None):
  return video_transformer.VideoTransformer(
      subscale, video_transformer.SliceDecoder(STACK, embedding=8),
      video_transformer.SliceEncoder(STACK, embedding=8, actions=actions), first_slice)


@functools.cache
def _built(subscale, actions, first_layers, shape):
  """A model, for tests that don't change it, and the programs of all its tasks."""
  tf.keras.utils.set_random_seed(0)
  first = None
  if first_layers:
    first = video_transformer.VideoTransformer(subscale, _decoder(layers=first_layers))
  model = _model(subscale, actions, first)
  model.build((None, *shape))
  model.build = lambda shape: None
  return model, {}


def _task(subscale=(2, 1, 2), clip=CLIP, actions=0, first_slice=None, first_layers=None,
          shared=True, **kwargs):
  """A task. Its first slice has a decoder of its own with `first_layers`, or a `first_slice`."""
  # pylint: disable=protected-access
  if first_slice is not None or not shared:
    task = tasks.VideoTransformerTask(_model(subscale, actions, first_slice), **kwargs)
  else:
    model, programs = _built(
        subscale, actions, first_layers, (kwargs.get('frames') or clip[0], *clip[1:]))
    task = tasks.VideoTransformerTask(model, **kwargs)
    task._programs = programs
  task.build(clip)
  return task


def _batch(clips=3, clip=CLIP, actions=0, seed=0):
  rng = np.random.default_rng(seed)
  batch = {'video': tf.constant(rng.integers(256, size=(clips, *clip)), tf.uint8),
           'valid': tf.ones([clips], tf.bool)}
  if actions:
    batch['actions'] = tf.constant(rng.normal(size=(clips, clip[0], actions)), tf.float32)
  return batch


def _metrics(task, batch, traced=False):
  statistics = tf.function(task.statistics, autograph=False) if traced else task.statistics
  sums = statistics(batch, randomness.seed_of(0))
  return task.metrics({name: np.asarray(x) for name, x in sums.items()})


def _nats_by_hand(task, video, first_frame):
  """Of every pixel of clips of one window, slice by slice; those of given frames are left out."""
  model, total = task.model, 0.0
  channels = model.pixels.split(video)
  s_t = model.subscaling.factors[0]
  for index in range(model.subscaling.slices):
    owner = model.owner(index)
    nll = owner(channels, tf.fill([video.shape[0]], index)).numpy()
    a = index // (model.subscaling.slices // s_t)
    for i in range(nll.shape[1]):
      total += nll[:, i].sum() if a + i * s_t >= first_frame else 0.0
  return total


@pytest.mark.parametrize('primed', [0, 3])
def test_bits_per_dim_are_of_all_pixels_that_are_not_given(primed):
  task, batch = _task(primed_frames=primed), _batch()
  nats = _nats_by_hand(task, batch['video'], primed) / 3
  found = _metrics(task, batch, traced=bool(primed))
  np.testing.assert_allclose(found['bits_per_dim'], nats / ((4 - primed) * 16) / np.log(2),
                             rtol=1e-5)
  np.testing.assert_allclose(found['nats_per_frame'], nats / (4 - primed), rtol=1e-5)


def test_gray_frames_have_a_bound():
  model = video_transformer.VideoTransformer(
      (4, 1, 1), video_transformer.SliceDecoder(
          functools.partial(STACK, blocks=[(1, 2, 2)]), channel_prediction.IntensityPredictor, 8),
      video_transformer.SliceEncoder(functools.partial(STACK, blocks=[(1, 2, 2)]), 8))
  task = tasks.VideoTransformerTask(model, primed_frames=2)
  task.build(CLIP)
  batch = _batch()
  z = np.clip(batch['video'][:, 2:].numpy() / 255, 1e-30, 1 - 1e-16)
  found = _metrics(task, batch)
  expected = -np.mean(z * np.log(z) + (1 - z) * np.log(1 - z)) * 16
  np.testing.assert_allclose(found['least_nats_per_frame'], expected, rtol=1e-5)
  assert found['nats_per_frame'] > expected


def test_padding_does_not_count():
  task, batch = _task(), _batch()
  one = {name: x[:1] for name, x in batch.items()}
  padded = {**batch, 'valid': tf.constant([True, False, False])}
  found = _metrics(task, padded)
  for name, value in _metrics(task, one).items():
    np.testing.assert_allclose(found[name], value, rtol=1e-5)


def test_the_loss_is_that_of_all_slices_in_the_mean():
  """Over many draws of slices; the clip is one of the batch, again and again."""
  task, batch = _task(primed_frames=3), _batch(1)
  repeated = {'video': tf.repeat(batch['video'], 64, axis=0)}
  loss = tf.function(task.loss, autograph=False)
  losses = [loss(repeated, randomness.seed_of(i))['bits_per_dim'].numpy() for i in range(40)]
  error = np.std(losses) / np.sqrt(len(losses))
  assert 0 < error < 0.1
  assert abs(np.mean(losses) - _metrics(task, batch)['bits_per_dim']) < 4 * error


def test_windows():
  task = _task(frames=2, subscale=(1, 2, 2), clip=(6, 4, 4, 1))
  assert task._windows(6, 1) == [(0, 1), (1, 1), (2, 1), (3, 1), (4, 1)]
  task = _task(frames=4, clip=(9, 4, 4, 1), primed_frames=3, reprimed_frames=2)
  assert task._windows(9, 3) == [(0, 3), (2, 2), (4, 2), (5, 3)]
  task = _task(frames=4, clip=(9, 4, 4, 1), primed_frames=6)
  # As many given frames as a window can be primed with.
  assert task._windows(9, 6) == [(3, 3), (5, 2)] and task.masked_frames == 1
  assert task._windows(9, 4) == [(1, 3), (4, 1), (5, 3)]
  assert _task(sample_frames=3)._windows(3, 1) == [(0, 1)]


def test_training_sees_every_window_with_its_actions(monkeypatch):
  task = _task(frames=4, clip=(6, 4, 4, 1), actions=2, primed_frames=3, masked_frames=2)
  times = np.broadcast_to(np.arange(6)[:, None, None, None], (64, 6, 4, 4, 1))
  batch = {'video': tf.constant(times, tf.uint8),
           'actions': tf.constant(times[..., 0, 0, :].repeat(2, -1), tf.float32)}
  seen = []

  def nats(model, video, actions, index, primed):
    frames = task.model.pixels.join(video).numpy()[:, :, 0, 0, 0]
    np.testing.assert_array_equal(frames, frames[:, :1] + np.arange(4))
    np.testing.assert_array_equal(actions, np.repeat(frames[..., None], 2, -1))
    assert model is task.model and primed == 2
    seen.extend(zip(frames[:, 0], index.numpy()))
    return tf.zeros([64])

  monkeypatch.setattr(task, '_nats', nats)
  for i in range(4):
    task.loss(batch, randomness.seed_of(i))
  # Slices of two frames, (0, 2) and (1, 3), all of which have one that is not masked.
  assert set(seen) == {(start, index) for start in range(3) for index in range(4)}


def test_bits_per_dim_of_windows():
  task = _task(frames=2, subscale=(1, 2, 2), clip=(4, 4, 4, 1))
  batch = _batch()
  nats = sum(_nats_by_hand(task, batch['video'][:, i:i + 2], 1) for i in range(3)) / 3
  np.testing.assert_allclose(
      _metrics(task, batch)['bits_per_dim'], nats / (3 * 16) / np.log(2), rtol=1e-5)
  assert np.isfinite(task.loss(batch, randomness.seed_of(0))['loss'])


def test_first_frames_are_evaluated():
  """Of longer clips, of which training sees all windows."""
  longer = _task(frames=2, subscale=(1, 2, 2), clip=(6, 4, 4, 1), evaluated_frames=4)
  whole = _task(frames=2, subscale=(1, 2, 2), clip=(4, 4, 4, 1))
  for a, b in zip(whole.model.variables, longer.model.variables, strict=True):
    a.assign(b)
  batch = _batch()
  video = np.concatenate([batch['video'], batch['video'][:, :2]], axis=1)
  assert _metrics(longer, {**batch, 'video': tf.constant(video)}) == _metrics(whole, batch)
  with pytest.raises(ValueError, match='evaluated_frames must be from 2 to 6'):
    _task(frames=2, subscale=(1, 2, 2), clip=(6, 4, 4, 1), evaluated_frames=1)


@pytest.mark.usefixtures('eagerly')
@pytest.mark.filterwarnings('ignore:Even though the `tf.config')
def test_first_slice_is_trained_and_loaded(tiny, cpu, tmp_path):
  first = lambda: video_transformer.VideoTransformer((2, 2, 2), _decoder(layers=2))
  trained = []

  def task():
    trained.append(tasks.VideoTransformerTask(first()))
    return trained[0]

  assert experiment.train(tiny.experiment(task, train_steps=1), str(tmp_path), cpu)
  found = {row.metric for row in results.read_results(str(tmp_path))}
  assert found == {'bits_per_dim', 'nats_per_frame'}
  with np.load(tmp_path / 'previews' / 'test.npz') as previews:
    assert 'data' in previews and 'samples' not in previews
  whole = _task((2, 2, 2), clip=(4, 8, 8, 1), first_slice=first(), first_slice_dir=str(tmp_path))
  before = [variable.numpy() for variable in whole.model.first_slice.variables]
  whole.initialize(None)
  after = whole.model.first_slice.variables
  assert any((old != new.numpy()).any() for old, new in zip(before, after, strict=True))
  for old, new in zip(trained[0].model.variables, after, strict=True):
    np.testing.assert_array_equal(old, new)


@pytest.mark.usefixtures('without_xla')
def test_first_slice_of_its_own():
  task, batch = _task(first_layers=2, first_slice_dir='nowhere'), _batch()
  nats = _nats_by_hand(task, batch['video'], 1) / 3
  np.testing.assert_allclose(
      _metrics(task, batch)['bits_per_dim'], nats / (3 * 16) / np.log(2), rtol=1e-5)
  alone = tasks.VideoTransformerTask(task.model.first_slice)
  alone.build(CLIP)
  mine = _metrics(alone, batch)['bits_per_dim']  # of one of the slice's two frames
  np.testing.assert_allclose(alone.loss(batch, randomness.seed_of(0))['bits_per_dim'], mine,
                             rtol=1e-5)
  assert not task.cannot_sample and 'has only the first slice' in alone.cannot_sample
  with pytest.raises(ValueError, match='has only the first slice'):
    alone.sample(batch, randomness.seed_of(0))
  assert task.sample(batch, randomness.seed_of(0)).shape == (3, *CLIP)


@pytest.mark.usefixtures('without_xla')
def test_one_program_samples_the_same():
  """What a TPU and an export run: all windows and slices in one loop."""
  task, batch = _task(first_layers=2, sample_frames=6), _batch()
  drawn = task.sample(batch, randomness.seed_of(0))
  program = tf.function(task.sample, autograph=False)
  np.testing.assert_array_equal(program(batch, randomness.seed_of(0)), drawn)
  loops = [node for node in program.get_concrete_function(batch, randomness.seed_of(0)).graph
           .as_graph_def().node if node.op in ('While', 'StatelessWhile')]
  assert len(loops) == 1


@pytest.mark.usefixtures('without_xla')
@pytest.mark.parametrize('kwargs, frames', [
    ({'primed_frames': 0, 'sample_frames': 3}, 3), ({'frames': 2, 'subscale': (1, 2, 2)}, 4),
    *[pytest.param(*how, marks=pytest.mark.slow)
      for how in (({'primed_frames': 2}, 4), ({'sample_frames': 7}, 7))]], ids=str)
def test_samples_begin_with_the_given_frames(kwargs, frames):
  task, batch = _task(**kwargs), _batch()
  drawn = task.sample(batch, randomness.seed_of(1)).numpy()
  assert drawn.shape == (3, frames, 4, 4, 1) and drawn.dtype == np.uint8
  primed = task.primed_frames
  np.testing.assert_array_equal(drawn[:, :primed], batch['video'][:, :primed])
  made, real = drawn[:, primed:4], batch['video'].numpy()[:, primed:drawn.shape[1]]
  assert (made != real).mean() > 0.9
  np.testing.assert_array_equal(task.sample(batch, randomness.seed_of(1)), drawn)
  assert (task.sample(batch, randomness.seed_of(2)).numpy() != drawn).any()


@pytest.mark.usefixtures('without_xla')
@pytest.mark.parametrize('given, frames', [(2, None), (0, 3), (3, 7), (4, 6), (None, 6)])
def test_samples_of_other_lengths_with_other_frames_given(given, frames):
  """As a protocol wants them."""
  task, batch = _task(), _batch()
  drawn = task.sample(
      batch, randomness.seed_of(1), conditioning_frames=given, frames=frames).numpy()
  assert drawn.shape == (3, frames or 4, 4, 4, 1) and drawn.dtype == np.uint8
  primed = 1 if given is None else given
  np.testing.assert_array_equal(drawn[:, :primed], batch['video'][:, :primed])
  made, real = drawn[:, primed:4], batch['video'].numpy()[:, primed:drawn.shape[1]]
  assert not made.size or (made != real).mean() > 0.9
  assert (drawn[:, -1] != 0).any()  # the last frame is drawn as well
  assert task.conditioning_frames == 1


@pytest.mark.usefixtures('without_xla')
def test_the_given_frames_are_those_of_a_task_that_has_as_many():
  """And in one program, as on several replicas."""
  batch, options = _batch(), {'conditioning_frames': 3, 'frames': 6}
  drawn = []
  for kwargs in ({}, {'primed_frames': 3, 'sample_frames': 6}):
    task = _task(**kwargs)
    drawn.append(task.sample(batch, randomness.seed_of(1), **({} if kwargs else options)))
  np.testing.assert_array_equal(*drawn)
  program = tf.function(functools.partial(task.sample, **options), autograph=False)
  np.testing.assert_array_equal(program(batch, randomness.seed_of(1)), drawn[0])


@pytest.mark.parametrize('options, most', [
    ({'conditioning_frames': 4}, 3), ({'conditioning_frames': -1}, 3),
    ({'conditioning_frames': 5, 'frames': 9}, 4), ({'conditioning_frames': 2, 'frames': 2}, 1),
    ({'frames': 1}, 0)])
def test_frames_that_cannot_be_given(options, most):
  with pytest.raises(ValueError, match=f'conditioning_frames must be from 0 to {most}, got '):
    _task().sample(_batch(), randomness.seed_of(0), **options)


@pytest.mark.usefixtures('without_xla')
def test_actions():
  task, batch = _task(actions=2), _batch(actions=2)
  assert task.conditional and set(task.condition_spec(
      {name: tf.TensorSpec(x.shape[1:], x.dtype) for name, x in batch.items()})) == {
          'video', 'actions'}
  before = _metrics(task, batch)['bits_per_dim']
  assert _metrics(task, {**batch, 'actions': batch['actions'] + 1})['bits_per_dim'] != before
  assert task.sample(batch, randomness.seed_of(0)).shape == (3, *CLIP)
  with pytest.raises(ValueError, match='SliceEncoder.actions = 2, but a frame of the clips has '
                     'none'):
    task.loss({'video': batch['video']}, randomness.seed_of(0))


@pytest.mark.parametrize('kwargs, message', [
    ({'primed_frames': 4}, 'primed_frames must be from 0 to 3 for clips of 4 frames'),
    ({'frames': 2, 'masked_frames': 2}, 'masked_frames must be from 0 to 1'),
    ({'sample_frames': 1}, 'sample_frames must be above primed_frames, 1, got 1'),
    ({'frames': 6}, 'frames = 6, but a clip has 4'),
    ({'frames': 2, 'reprimed_frames': 2}, 'reprimed_frames must be from 1 to 1'),
    ({'clip': (4, 2, 4, 1), 'subscale': (2, 2, 2)},
     r'^blocks of \(2, 2, 1\) must divide the slice, of shape \(2, 1, 2\)'),
    ({'subscale': (3, 1, 1)}, r'\(3, 1, 1\) must divide')])
def test_what_does_not_fit(kwargs, message):
  with pytest.raises(ValueError, match=message):
    _task(shared=False, **kwargs)


def test_a_temperature_of_0_is_an_error():
  with pytest.raises(ValueError, match='temperature must be above 0, got 0'):
    _task().sample(_batch(), randomness.seed_of(0), temperature=0)


@pytest.mark.slow
def test_eight_clips_are_learned_and_sampled_back():
  """Moving digits, one frame given: below 0.05 bits/dim, and the clips themselves as samples."""
  images, _ = digits.optdigits(12)['train']
  clips = np.stack([
      moving_digits.moving_digits(images, moving_digits.random_generator(0, 'train', i),
                                  frames=4, size=24)[0] for i in range(8)])
  stack = functools.partial(
      video_transformer.LayerStack, blocks=[(2, 4, 12), (2, 12, 4)], heads=2, width=64,
      attention=functools.partial(block_attention.BlockLocalAttention, head_width=32))
  task = tasks.VideoTransformerTask(video_transformer.VideoTransformer(
      (2, 2, 2), video_transformer.SliceDecoder(stack, embedding=32),
      video_transformer.SliceEncoder(stack, embedding=32)))
  task.build(clips.shape[1:])
  optimizer = optimizers.rmsprop(optimizers.cosine_decay(1e-3, 800, 50), epsilon=1e-6)
  batch = {'video': tf.constant(clips), 'valid': tf.ones([8], tf.bool)}

  @tf.function
  def step(seed):
    with tf.GradientTape() as tape:
      terms = task.loss(batch, seed)
    gradients = tape.gradient(terms['loss'], task.trainable_variables)
    optimizer.apply_gradients(zip(gradients, task.trainable_variables))
    return terms['bits_per_dim']

  for i in range(800):
    bits = step(randomness.seed_of(i))
    if i % 100 == 99:
      print(f'step {i + 1}: {bits.numpy():.4f} bits/dim')
  found = _metrics(task, batch)['bits_per_dim']
  drawn = task.sample(batch, randomness.seed_of(0)).numpy()
  same = (drawn == clips).mean((1, 2, 3, 4))
  print(f'{found:.4f} bits/dim; share of the pixels of every clip sampled back: {same}')
  assert found < 0.05
  assert (clips > 0).mean() > 0.1 and same.min() > 0.99
