"""Adversarial training: who is updated by what, replicas, a resumed run to the bit, a round trip.

Steps run eagerly here, but for the programs: the graph of one takes longer than ten steps.
"""

import itertools
import shutil

import numpy as np
import pytest
import tensorflow as tf

from tests.evaluation import fakes
from tests.layers import spectral_weights
from tests.training import runs
from tf_videogen import building
from tf_videogen import experiment as experiments
from tf_videogen import sampling
from tf_videogen.layers import randomness
from tf_videogen.layers import recurrent_units
from tf_videogen.training import optimizers
from tf_videogen.training import trainer as trainers

pytestmark = pytest.mark.filterwarnings('ignore:Even though the `tf.config')

TERMS = {'discriminator_loss', 'real_score', 'fake_score', 'discriminator_gradient_norm',
         'generator_loss', 'orthogonality', 'generator_gradient_norm',
         'discriminator_learning_rate', 'generator_learning_rate'}
OF_A_STEP = {name for name in TERMS if not name.endswith('learning_rate')}  # in its program


def _trainer(experiment, strategy):
  """A trainer of the experiment, built under the strategy, and what was built."""
  built = building.build(experiment, strategy, experiment.clips.example_spec())
  with strategy.scope():
    return building.make_trainer(experiment, built), built


def _copies(strategy, variables):
  """Every replica's copy of every variable."""
  return [[copy.numpy() for copy in strategy.experimental_local_results(variable)]
          for variable in variables]


def _values(variables):
  return [variable.numpy() for variable in variables]


def _moved(variables, before):
  return [bool(np.any(variable.numpy() != value))
          for variable, value in zip(variables, before, strict=True)]


# --- steps ---


def _smallest(tiny, **kwargs):
  """Of a generator from noise, of 4 x 4 pixels, and a network of one block; with the penalty."""
  task = lambda: tiny.first_level_task({'multipliers': (2,)}, orthogonality=1e-3)
  return tiny.cascade_experiment(1, task, **kwargs)


@pytest.mark.usefixtures('eagerly')
def test_updates_of_a_step(tiny, cpu):
  """Two of the discriminators, batches 2s and 2s + 1, then one of the generator, on the latter.

  In the second step losses are sums of squares.
  """
  experiment = _smallest(tiny, seed=5)
  trainer, built = _trainer(experiment, cpu)
  assert isinstance(trainer, trainers.AdversarialTrainer) and trainer.batches == 2
  task, calls = built.task, []

  def squares(player):
    variables = getattr(task.trainable_variables, player)
    return lambda batch, seed: {'loss': tf.add_n([tf.nn.l2_loss(v) for v in variables])}

  def recording(player, loss):
    def record(batch, seed):
      state = [_values(variables) for variables in task.trainable_variables]
      calls.append((player, batch['video'].numpy(), tuple(seed.numpy()), state))
      return loss(batch, seed)

    setattr(task, f'{player}_loss', record)

  players = ('discriminator', 'generator')
  for player in players:
    recording(player, getattr(task, f'{player}_loss'))
  built.step.assign(3)
  terms = trainer.train(1)
  assert set(terms) == TERMS and all(np.isfinite(float(term)) for term in terms.values())
  for player in players:
    recording(player, squares(player))
  trainer.train(1)
  assert [player for player, *_ in calls] == 2 * (2 * ['discriminator'] + ['generator'])
  batches = [b['video'] for b in itertools.islice(
      experiment.clips.training(4, 5, 0).as_numpy_iterator(), 10)]
  for (_, video, *_), number in zip(calls, (6, 7, 7, 8, 9, 9), strict=True):
    np.testing.assert_array_equal(video, batches[number])
  assert len({seed for _, _, seed, _ in calls}) == 6
  # Every update moves its player, and that one alone.
  for (player, *_, before), (*_, after) in zip(calls, calls[1:]):
    moved = [any(np.any(a != b) for a, b in zip(*both)) for both in zip(before, after)]
    assert moved == [player == 'generator', player == 'discriminator']
  assert built.optimizer.generator.iterations == 2
  assert built.optimizer.discriminator.iterations == 4


@pytest.mark.usefixtures('eagerly')
def test_a_step_is_gradients_by_hand(tiny, cpu):
  """Of one update of each player by plain SGD, clipped; norms are those before."""
  sgd = lambda: tf.keras.optimizers.SGD(0.01)
  experiment = _smallest(
      tiny, optimizer=lambda: optimizers.TwoPlayers(sgd(), sgd(), 1), clip_norm=0.5)
  trainer, built = _trainer(experiment, cpu)
  task = built.task
  before = _values(task.model.variables)
  batch = next(iter(experiment.clips.training(4, 0)))
  terms_by_hand = {}
  for number, player in enumerate(('discriminator', 'generator')):
    seed = randomness.fold_in(randomness.fold_in(randomness.seed_of(0), 0), number)
    variables = getattr(task.trainable_variables, player)
    with tf.GradientTape() as tape:
      terms = getattr(task, f'{player}_loss')(batch, seed)
    gradients = [g.numpy() for g in tape.gradient(terms['loss'], variables)]
    norm = np.sqrt(sum(np.sum(g**2) for g in gradients))
    terms_by_hand[f'{player}_loss'] = float(terms['loss'])
    terms_by_hand[f'{player}_gradient_norm'] = norm
    assert norm > 1
    for variable, gradient in zip(variables, gradients):
      variable.assign_sub(0.01 * 0.5 / norm * gradient)
  expected = _values(task.model.generator.variables + task.model.discriminators.variables)
  for variable, value in zip(task.model.variables, before):
    variable.assign(value)
  terms = trainer.train(1)
  for name, value in terms_by_hand.items():
    np.testing.assert_allclose(terms[name], value, rtol=1e-4, err_msg=name)
  found = _values(task.model.generator.variables + task.model.discriminators.variables)
  for ours, value in zip(found, expected, strict=True):
    np.testing.assert_allclose(ours, value, rtol=1e-4, atol=1e-5)
  # The first steps' average is the weights themselves, after their update.
  for ours, value in zip(task.model.averaged_generator.trainable_variables,
                         task.model.generator.trainable_variables, strict=True):
    np.testing.assert_array_equal(ours, value)


@pytest.mark.parametrize('updates', [0, -1])
def test_no_updates_of_the_discriminators(updates):
  sgd = tf.keras.optimizers.SGD
  with pytest.raises(ValueError, match=f'TwoPlayers.discriminator_updates must be at least 1, got '
                                       f'{updates}'):
    optimizers.TwoPlayers(sgd(), sgd(), updates)


# --- replicas ---


def _assert_alike(ours, theirs, places=1e-5):
  for one, both in zip(ours, theirs, strict=True):
    for copy in both:
      np.testing.assert_allclose(copy, one[0], places, places)


@pytest.mark.usefixtures('eagerly')
@pytest.mark.parametrize('classes, steps, sampled', [
    (True, 1, False),
    *[pytest.param(classes, 2, True, marks=pytest.mark.slow) for classes in (False, True)]])
def test_replicas_agree(tiny, cpu, two_replicas, classes, steps, sampled):
  """Terms, all variables, standing statistics and samples; without classes, and from noise."""
  if classes:
    task = lambda: tiny.class_gan({'views': ('dF',), 'multipliers': (1,)}, standing_passes=1)
    experiment = tiny.gan_experiment(task, clips=tiny.clips(),
                                     optimizer=lambda: tiny.two_players(1))
  else:
    experiment = tiny.gan_experiment()
  (one, of_one), (two, of_two) = (
      _trainer(experiment, strategy) for strategy in (cpu, two_replicas))
  variables = lambda built: [
      *built.task.model.variables, *built.optimizer.generator.variables,
      *built.optimizer.discriminator.variables]
  start = _values(variables(of_one))
  for _ in range(steps):
    terms, others = one.train(1), two.train(1)
    assert set(terms) == set(others) == TERMS
    for name, term in terms.items():
      np.testing.assert_allclose(others[name], term, 1e-5, 1e-5, err_msg=name)
    _assert_alike(_copies(cpu, variables(of_one)), _copies(two_replicas, variables(of_two)))
  moved = _moved(variables(of_one), start)
  assert np.mean(moved) > 0.7  # but for vectors of one number
  if not sampled:
    return
  with spectral_weights.computed_once():
    for strategy, built in ((cpu, of_one), (two_replicas, of_two)):
      with strategy.scope():
        built.standing.renew()
  statistics = [_copies(strategy, built.standing.variables)
                for strategy, built in ((cpu, of_one), (two_replicas, of_two))]
  assert len(statistics[0]) == 15 and all(np.any(value) for value, in statistics[0])
  _assert_alike(*statistics)
  _assert_alike(_copies(cpu, variables(of_one)), _copies(two_replicas, variables(of_two)))

  batch = next(iter(experiment.clips.evaluation('test', 4)))
  batch = {name: value for name, value in batch.items() if value.dtype != tf.string}
  seed = randomness.seed_of(1)
  samples = of_one.task.sample(batch, seed).numpy()
  rows = [{name: value[2 * i:2 * i + 2] for name, value in batch.items()} for i in range(2)]
  rows = two_replicas.experimental_distribute_values_from_function(
      lambda context: rows[context.replica_id_in_sync_group])
  found = two_replicas.run(of_two.task.sample, args=(rows, seed))
  found = np.concatenate(two_replicas.experimental_local_results(found))
  assert np.abs(found.astype(int) - samples).max() <= 1 and np.ptp(samples) > 50


# --- whole runs ---


def _adam():
  return optimizers.TwoPlayers(optimizers.adam(1e-3, beta_1=0.5), optimizers.adam(2e-3))


@pytest.fixture(scope='module', name='experiment')
def _experiment(tiny):
  return tiny.gan_experiment(optimizer=_adam, train_steps=runs.STEPS)


@pytest.fixture(scope='module', name='unbroken')
def _unbroken(experiment, cpu, eager_scope, tmp_path_factory):
  """The model directory of a run without a stop."""
  model_dir = str(tmp_path_factory.mktemp('unbroken'))
  with eager_scope():
    assert experiments.train(experiment, model_dir, cpu, **runs.HOW)
  return model_dir


@pytest.mark.slow
@pytest.mark.usefixtures('eagerly')
def test_a_resumed_run_is_the_unbroken_one_to_the_bit(tiny, cpu, tmp_path):
  """From noise; with averages and the penalty."""
  experiment = _smallest(tiny, optimizer=_adam, train_steps=runs.STEPS)
  unbroken = str(tmp_path / 'unbroken')
  assert experiments.train(experiment, unbroken, cpu, **runs.HOW)
  runs.assert_resumed(experiment, unbroken, cpu, str(tmp_path / 'resumed'), 2,
                      {'data', 'samples', 'conditioning_frames'})


@pytest.mark.slow
@pytest.mark.usefixtures('eagerly')
def test_a_resumed_run_with_given_frames(experiment, unbroken, cpu, tmp_path):
  runs.assert_resumed(experiment, unbroken, cpu, str(tmp_path / 'resumed'), 6,
                      {'data', 'samples', 'motion', 'conditioning_frames'})


@pytest.mark.slow
@pytest.mark.usefixtures('eagerly')
def test_a_round_trip(experiment, unbroken, cpu, tmp_path):
  """Trained and evaluated, evaluated again, sampled, exported."""
  rows = {f'{split}/{metric}': value for _, split, metric, value in runs.rows(unbroken)}
  previews = runs.previews(unbroken)
  assert previews['motion'].shape == (2, 5, 8, 8, 3) and previews['motion'].dtype == np.uint8
  assert np.ptp(previews['motion'][:, :2]) == 0  # frames are given
  assert previews['conditioning_frames'] == 2
  np.testing.assert_array_equal(previews['samples'][:, :2], previews['data'][:, :2])

  model_dir = str(tmp_path / 'model')
  shutil.copytree(unbroken, model_dir)
  again = experiments.evaluate(experiment, model_dir, cpu, preview_clips=0)
  assert again.pop('test/examples') == 6 and again.keys() == rows.keys()
  for name, value in rows.items():  # with statistics made anew: the checkpoint's are older
    np.testing.assert_allclose(again[name], value, rtol=1e-4, err_msg=name)

  videos = sampling.sample(experiment, model_dir, cpu, num_samples=5, batch_size=4, seed=3,
                           options={'temperature': 0.5})
  assert videos['samples'].shape == (5, 5, 16, 16, 1) and videos['conditioning_frames'] == 2
  np.testing.assert_array_equal(videos['samples'][:, :2], videos['data'][:, :2])
  clips = next(iter(experiment.clips.evaluation('test', 5)))['video']
  np.testing.assert_array_equal(videos['data'], clips)

  spec = sampling.export(experiment, model_dir, str(tmp_path / 'exported'), batch_size=4,
                         options={'temperature': 0.5})
  assert {name: list(of_one.shape) for name, of_one in spec.items()} == {
      'seed': [], 'video': [4, 2, 16, 16, 1]}
  exported = tf.saved_model.load(str(tmp_path / 'exported')).signatures['sample']
  drawn = exported(seed=tf.constant(3), video=tf.constant(videos['data'][:4, :2]))['videos']
  assert np.abs(drawn.numpy().astype(int) - videos['samples'][:4]).max() <= 1
  with pytest.raises(ValueError, match="no sampling option 'top_k'; it samples by: temperature, "
                                       "truncation, frames, window$"):
    sampling.sample(experiment, model_dir, cpu, options={'top_k': 2})

  # More frames than in training begin as those do, with the same z.
  longer = sampling.sample(experiment, model_dir, cpu, num_samples=4, batch_size=4, seed=3,
                           options={'temperature': 0.5, 'frames': 7})
  assert longer['samples'].shape == (4, 9, 16, 16, 1) and longer['data'].shape[1] == 5
  assert np.abs(longer['samples'][:, :5].astype(int) - videos['samples'][:4]).max() <= 1
  sampling.export(experiment, model_dir, str(tmp_path / 'longer'), batch_size=4,
                  options={'temperature': 0.5, 'frames': 7})
  exported = tf.saved_model.load(str(tmp_path / 'longer')).signatures['sample']
  drawn = exported(seed=tf.constant(3), video=tf.constant(longer['data'][:, :2]))['videos']
  assert np.abs(drawn.numpy().astype(int) - longer['samples']).max() <= 1


@pytest.mark.slow
@pytest.mark.usefixtures('eagerly', 'without_xla')
def test_longer_samples_than_those_of_training(tiny, cpu, tmp_path):
  """Of 5 frames: seven, in two pieces; they are exported with the statistics of all of them."""
  task = lambda: tiny.video_gan({'encoder': None, 'unit': recurrent_units.ConvGRU},
                                {'views': ('dF',)}, conditioning_frames=0)
  experiment, model_dir = tiny.gan_experiment(task), str(tmp_path / 'model')
  fakes.save(experiment, model_dir, cpu)
  how = {'batch_size': 2, 'options': {'frames': 7, 'temperature': 0.5}}
  samples = sampling.sample(experiment, model_dir, cpu, num_samples=2, seed=3, **how)['samples']
  assert samples.shape == (2, 7, 16, 16, 1)
  assert (samples[:, 1:] != samples[:, :-1]).any(axis=(2, 3, 4)).all()  # it goes on
  sampling.export(experiment, model_dir, str(tmp_path / 'exported'), **how)
  exported = tf.saved_model.load(str(tmp_path / 'exported')).signatures['sample']
  drawn = exported(seed=tf.constant(3))['videos']
  assert np.abs(drawn.numpy().astype(int) - samples).max() <= 1


@pytest.mark.slow
@pytest.mark.usefixtures('eagerly')
def test_sampled_from_noise(tiny, cpu, tmp_path):
  """Without given frames and classes motion alone is measured, and sampling reads no data.

  Samples have more frames than the clips of training: the task says how many.
  """
  task = lambda: tiny.video_gan({'encoder': None}, conditioning_frames=0, sampled_frames=7)
  experiment = tiny.gan_experiment(task, train_steps=1)
  assert experiments.train(experiment, str(tmp_path), cpu, **runs.HOW)
  assert {row[2] for row in runs.rows(str(tmp_path))} == {
      'frame_difference', 'frame_difference_of_data'}
  experiment.clips = None
  videos = sampling.sample(experiment, str(tmp_path), cpu, num_samples=3, batch_size=2)
  assert set(videos) == {'samples', 'seed'} and videos['samples'].shape == (3, 7, 16, 16, 1)
  assert (videos['samples'][0] != videos['samples'][1]).any()


@pytest.mark.usefixtures('built_eagerly')
@pytest.mark.slow
@pytest.mark.parametrize('name, tensors', [
    ('train', {'video': [4, 5, 16, 16, 1]}),
    ('evaluate', {'video': [2, 5, 16, 16, 1], 'valid': [2]}),
    ('sample', {'video': [2, 5, 16, 16, 1], 'valid': [2], 'seed': [2]})])
def test_programs(tiny, name, tensors):
  """Those of a TPU's core, in its precision; batches of both updates of the discriminators."""
  task = lambda: tiny.video_gan({'unit': recurrent_units.ConvGRU},
                                {'views': ('dF',), 'multipliers': (1,)})
  experiment = tiny.gan_experiment(task, precision='auto')
  function, inputs, parameters = building.program(
      experiment, experiment.clips.example_spec(), name, batch=2)
  assert {key: spec.shape.as_list() for key, spec in inputs.items()} == tensors
  traced = tf.function(function, autograph=False).get_concrete_function(inputs)
  found = traced.structured_outputs
  if name == 'train':
    assert set(found) == OF_A_STEP and {term.dtype for term in found.values()} == {tf.float32}
  elif name == 'evaluate':
    assert set(found) == {'examples', 'psnr', 'ssim', 'psnr_copy_last_frame', 'frame_difference',
                          'ssim_copy_last_frame', 'frame_difference_of_data'}
  else:
    assert found.shape == (2, 5, 16, 16, 1) and found.dtype == tf.uint8
  assert parameters > 1000
