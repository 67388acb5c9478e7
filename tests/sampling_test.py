"""Samples of tiny priors, without and with conditions."""

import os
import shutil

import numpy as np
import pytest
import tensorflow as tf

from tests import tiny as tiny_lib
from tests.evaluation import fakes
from tf_videogen import experiment as experiments
from tf_videogen import sampling
from tf_videogen.model_directory import results
from tf_videogen.training import optimizers
from tf_videogen.training import strategies

pytestmark = [pytest.mark.filterwarnings('ignore:Even though the `tf.config'),
              pytest.mark.usefixtures('without_xla')]


EIGHT_CODES = {'downsampling': (2, 4, 4)}


@pytest.fixture(scope='module', name='vqvae')
def _vqvae(tiny, cpu, eager_scope, tmp_path_factory):
  """The model directory of a VQ-VAE."""
  model_dir = str(tmp_path_factory.mktemp('vqvae'))
  with eager_scope():
    experiments.train(tiny.experiment(lambda: tiny.vqvae_task(**EIGHT_CODES), train_steps=1),
                      model_dir, cpu, evaluate_too=False)
  return model_dir


@pytest.mark.usefixtures('maybe_eagerly')
@pytest.mark.parametrize('traced', [False, pytest.param(True, marks=pytest.mark.slow)])
def test_a_prior_samples_without_its_vqvae(tiny, vqvae, cpu, tmp_path):
  vqvae_dir, model_dir = str(tmp_path / 'vqvae'), str(tmp_path / 'prior')
  shutil.copytree(vqvae, vqvae_dir)
  experiment = tiny.experiment(
      lambda: tiny.prior(vqvae_dir, dropout=0.1, **EIGHT_CODES), train_steps=2)
  assert experiments.train(experiment, model_dir, cpu, steps_per_loop=2, preview_clips=0)
  shutil.rmtree(vqvae_dir)

  def sample(count, **kwargs):
    videos = sampling.sample(experiment, model_dir, cpu, count, batch_size=4, **kwargs)
    assert set(videos) == {'samples', 'seed'} and videos['seed'] == kwargs.get('seed', 0)
    return videos['samples']

  samples = sample(5)
  assert samples.shape == (5, 4, 8, 8, 1) and samples.dtype == np.uint8
  np.testing.assert_array_equal(samples[:4], sample(4))
  assert (samples[:4] != sample(4, seed=1)).any()
  assert (samples[0] != samples[4]).any()  # batches differ


@pytest.mark.slow
def test_a_conditional_prior(tiny, vqvae, cpu, two_replicas, tmp_path, monkeypatch):
  """Trained and sampled by the programs of a TPU, on two processors, and sampled on one.

  Without chance: replicas draw apart.
  """
  model_dir = str(tmp_path)
  experiment = tiny.experiment(
      lambda: tiny.prior(vqvae, **EIGHT_CODES, classes=3, actions=8), train_steps=2)
  monkeypatch.setattr(strategies, 'needs_programs', lambda strategy: strategy is two_replicas)
  assert experiments.train(experiment, model_dir, two_replicas, steps_per_loop=2, preview_clips=2)
  with np.load(os.path.join(model_dir, 'previews', 'test.npz')) as previews:
    assert previews['samples'].shape == previews['data'].shape == (2, 4, 8, 8, 1)
  videos, same = (sampling.sample(experiment, model_dir, strategy, num_samples=12, batch_size=8,
                                  options={'top_k': 1}) for strategy in (cpu, two_replicas))
  with np.load(tiny.files.test) as arrays:  # 10 clips, which come again
    np.testing.assert_array_equal(videos['data'], arrays['video'][np.arange(12) % 10, :4])
    np.testing.assert_array_equal(videos['labels'], arrays['label'][np.arange(12) % 10])
  assert len(videos['samples']) == len(videos['ids']) == 12
  assert videos['ids'][10] == videos['ids'][0]
  assert videos['conditioning_frames'] == 0
  np.testing.assert_array_equal(videos['samples'], same['samples'])


@pytest.mark.usefixtures('eagerly')
def test_a_prior_continues_frames(tiny, vqvae, cpu, tmp_path):
  model_dir = str(tmp_path)
  encoder = lambda: tf.keras.layers.Conv3D(6, (1, 4, 4), (1, 4, 4))  # stands for the 3-D ResNet
  task = lambda: tiny.prior(vqvae, **EIGHT_CODES, frame_encoder=encoder(), conditioning_frames=1)
  experiment = tiny.experiment(task, train_steps=1)
  assert experiments.train(experiment, model_dir, cpu, evaluate_too=False)
  videos = sampling.sample(experiment, model_dir, cpu, num_samples=3, batch_size=2,
                           split='train', options={'top_k': 2})
  assert videos['samples'].shape == videos['data'].shape == (3, 4, 8, 8, 1)
  assert videos['conditioning_frames'] == 1
  assert not results.read_results(model_dir)


@pytest.mark.usefixtures('eagerly')
def test_a_class_is_chosen(tiny, vqvae, cpu, tmp_path):
  """Also by a number, and, where nothing else is given, without data."""
  def trained(name, **conditions):
    experiment = tiny.experiment(
        lambda: tiny.prior(vqvae, **EIGHT_CODES, classes=3, **conditions), train_steps=2,
        optimizer=lambda: optimizers.adam(0.3))  # until a class tells
    experiment.clips.class_names = lambda: ['cats', 'dogs', 'eels']
    assert experiments.train(experiment, str(tmp_path / name), cpu, evaluate_too=False)
    return lambda label, count=5: sampling.sample(
        experiment, str(tmp_path / name), cpu, count, batch_size=2, label=label)

  of_class = trained('of_class')
  videos = of_class('dogs')
  assert videos['labels'].tolist() == [1] * 5 and 'data' not in videos
  np.testing.assert_array_equal(videos['samples'], of_class('1')['samples'])
  assert (videos['samples'] != of_class('eels')['samples']).any()
  for label, there in (('dog', 'there are: dogs'), ('7', 'there are: cats, dogs, eels')):
    with pytest.raises(ValueError, match=f'--label={label} is not a class of this model; {there}'):
      of_class(label)

  encoder = tf.keras.layers.Conv3D(6, (1, 4, 4), (1, 4, 4))
  videos = trained('frames', conditioning_frames=1, frame_encoder=encoder)('dogs', 7)
  with np.load(tiny.files.test) as arrays:
    clips = arrays['video'][arrays['label'] == 1][:, :4]
  assert 1 < len(clips) < 7
  np.testing.assert_array_equal(videos['data'], clips[np.arange(7) % len(clips)])
  again = len(clips)  # the same condition, other noise
  assert (videos['samples'][0, 1:] != videos['samples'][again, 1:]).any()


def test_errors(tiny, vqvae, cpu, tmp_path):
  prior = tiny.experiment(lambda: tiny.prior(vqvae, **EIGHT_CODES))
  with pytest.raises(FileNotFoundError, match='is not a model directory'):
    sampling.sample(prior, str(tmp_path / 'nowhere'), cpu)
  with pytest.raises(ValueError, match='VQVAETask has nothing to sample from'):
    sampling.sample(tiny.experiment(), vqvae, cpu)


@pytest.mark.slow
def test_a_video_transformer_continues_frames(tiny, cpu, tmp_path):
  model_dir = str(tmp_path / 'model')
  experiment = tiny.experiment(tiny.video_transformer, train_steps=1)
  assert experiments.train(experiment, model_dir, cpu, evaluate_too=False)
  videos = sampling.sample(experiment, model_dir, cpu, num_samples=7, batch_size=4,
                           samples_per_condition=3, options={'temperature': 0.9})
  with np.load(tiny.files.test) as arrays:
    clips = arrays['video'][:, :4]
  np.testing.assert_array_equal(videos['data'], np.repeat(clips, 3, axis=0)[:7])
  assert videos['samples'].shape == (7, 4, 8, 8, 1) and videos['conditioning_frames'] == 1
  np.testing.assert_array_equal(videos['samples'][:, 0], videos['data'][:, 0])
  assert (videos['samples'][0, 1:] != videos['samples'][1, 1:]).any()

  spec = sampling.export(
      experiment, model_dir, str(tmp_path / 'exported'), batch_size=4,
      options={'temperature': 0.9})
  assert {name: list(of_one.shape) for name, of_one in spec.items()} == {
      'seed': [], 'video': [4, 1, 8, 8, 1]}
  exported = tf.saved_model.load(str(tmp_path / 'exported')).signatures['sample']
  drawn = exported(seed=tf.constant(0), video=tf.constant(videos['data'][:4, :1]))['videos']
  np.testing.assert_array_equal(drawn, videos['samples'][:4])


class _Continuing(tiny_lib.FakeTask):
  """Samples that are the given frames, then white; nothing is given unless it is asked for."""

  def __init__(self):
    super().__init__(tf.keras.Sequential([tf.keras.layers.Dense(1)]))

  def build(self, clip_shape):
    """Creates the variables."""
    self.model.build((None, clip_shape[0]))

  def sample(self, batch, seed, conditioning_frames=0):
    """uint8 [B, 4, H, W, C]."""
    given = batch['video'][:, :conditioning_frames]
    return tf.pad(given, [[0, 0], [0, 4 - conditioning_frames], [0, 0], [0, 0], [0, 0]],
                  constant_values=255)


def test_more_frames_are_given_than_the_task_gives(tiny, cpu, tmp_path):
  experiment = tiny.experiment(_Continuing)
  fakes.save(experiment, tmp_path / 'model', cpu)
  how = experiment, str(tmp_path / 'model')
  assert 'data' not in sampling.sample(*how, cpu, num_samples=4, batch_size=4)
  options = {'conditioning_frames': 2}
  videos = sampling.sample(*how, cpu, num_samples=4, batch_size=4, options=options)
  assert videos['conditioning_frames'] == 2 and videos['data'][:, :2].any()
  np.testing.assert_array_equal(videos['samples'][:, :2], videos['data'][:, :2])
  spec = sampling.export(*how, str(tmp_path / 'exported'), batch_size=4, options=options)
  assert list(spec['video'].shape) == [4, 2, 8, 8, 1]
  exported = tf.saved_model.load(str(tmp_path / 'exported')).signatures['sample']
  drawn = exported(seed=tf.constant(0), video=tf.constant(videos['data'][:, :2]))['videos']
  np.testing.assert_array_equal(drawn, videos['samples'])
