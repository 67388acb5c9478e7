"""What draws clips from a trained model: at once, or exported for elsewhere."""

from absl import logging
import numpy as np
import tensorflow as tf
import tqdm

from tf_videogen import file_sets
from tf_videogen import files
from tf_videogen import trained_model
from tf_videogen.layers import randomness


_SAVED_MODEL = ('saved_model.pb', 'fingerprint.pb', 'variables', 'assets')


def sample(experiment, model_dir, strategy, num_samples=16, seed=0, split=None, batch_size=8,
           samples_per_condition=1, options=None):
  """Samples from the latest readable checkpoint.

  Args:
    experiment: an Experiment whose task can sample.
    model_dir: a trained model's directory.
    strategy: a tf.distribute.Strategy.
    num_samples: how many clips.
    seed: the same seed gives the same clips, for the same batch size and number of replicas.
    split: where conditions are taken from (first frames, classes, actions); the experiment's first
      one by default.
    batch_size: clips that are sampled at once.
    samples_per_condition: how many samples, one after the other, have the same conditions.
    options: keyword arguments of the task's `sample`, such as {'temperature': 0.9}.

  Returns:
    dict of 'samples', uint8 [num_samples, T, H, W, C]; of a cascade also 'level1', ..., the videos
    of the levels below; and, where the model is conditional, 'data', the clips that the conditions
    of each are from, and the scalar 'conditioning_frames'.
  """
  batch_size = min(batch_size, num_samples)
  model = trained_model.TrainedModel(experiment, model_dir, strategy, options or {})
  if model.task.conditional:
    split = split or experiment.splits[0]
    clips = min(experiment.clips.count(split), -(-num_samples // samples_per_condition))
    count = min(num_samples, clips * samples_per_condition)
    if count < num_samples:
      logging.warning('split %s has conditions for %d clips only', split, count)
    batches = experiment.clips.evaluation(split, batch_size, limit=clips)
    batches = _repeated(batches, samples_per_condition, batch_size).take(-(-count // batch_size))
  else:
    count = num_samples
    batches = [{'video': np.zeros((batch_size, *model.spec['video'].shape), np.uint8)}]
    batches *= -(-num_samples // batch_size)
  levels, data = [], []
  model.restore()
  bar = tqdm.tqdm(batches, 'sample', -(-count // batch_size), unit='batch')
  for i, batch in enumerate(bar):
    levels.append(model.levels(batch, randomness.fold_in(randomness.seed_of(seed), i)))
    data.append(np.asarray(batch['video']))
  *below, samples = [np.concatenate(videos)[:count] for videos in zip(*levels)]
  videos = {'samples': samples, **{f'level{i}': video for i, video in enumerate(below, start=1)}}
  if model.task.conditional:
    videos['data'] = np.concatenate(data)[:count]
    videos['conditioning_frames'] = np.int32(model.task.conditioning_frames)
  return videos


def _repeated(batches, times, batch_size):
  """Batches in which every clip comes several times, one after the other."""
  if times == 1:
    return batches
  repeated = batches.unbatch().flat_map(
      lambda clip: tf.data.Dataset.from_tensors(clip).repeat(times))
  return repeated.batch(batch_size, drop_remainder=True)


def export(experiment, model_dir, export_dir, batch_size=8, options=None):
  """Writes a SavedModel whose signature `sample` draws clips, from the latest readable checkpoint.

  Args:
    experiment: an Experiment whose task can sample.
    model_dir: a trained model's directory.
    export_dir: a folder, local or gs://; an earlier export in it is replaced.
    batch_size: clips that a call draws.
    options: as of `sample`.

  Returns:
    What the signature takes, name -> TensorSpec: `seed`, and what the model is conditioned on. It
    returns {'videos': uint8 [batch_size, T, H, W, C]}, those of `sample` for the same seed and size
    of batch.
  """
  model = trained_model.TrainedModel(
      experiment, model_dir, tf.distribute.get_strategy(), options or {})
  model.restore()
  inputs = {'seed': tf.TensorSpec([], tf.int32, 'seed')}
  for name, of_clip in sorted(model.task.condition_spec(model.spec).items()):
    inputs[name] = tf.TensorSpec([batch_size] + of_clip.shape, of_clip.dtype, name)

  @tf.function(input_signature=list(inputs.values()), autograph=False)
  def draw(seed, *conditions):
    batch = {'video': tf.zeros([batch_size] + model.spec['video'].shape, tf.uint8)}
    batch.update(zip(list(inputs)[1:], conditions))
    first = randomness.fold_in(randomness.seed_of(seed), 0)
    return {'videos': model.task.sample(batch, first, **model.options)}

  module = tf.Module()
  module.values = model.variables  # not the Keras model: it would save its layers
  module.draw = draw
  with file_sets.replacing_folder(export_dir, _SAVED_MODEL) as folder:
    with files.told(export_dir):
      tf.saved_model.save(module, folder, signatures={'sample': draw})
  return inputs
