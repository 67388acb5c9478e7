"""What draws clips from a trained model: at once, or exported for elsewhere."""

from absl import logging
import numpy as np
import tensorflow as tf
import tqdm

from tf_videogen import building
from tf_videogen.layers import randomness
from tf_videogen.model_directory import layout
from tf_videogen.training import precision as precisions
from tf_videogen.training import strategies


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
  spec, batch_size = layout.saved_spec(model_dir), min(batch_size, num_samples)
  built = building.build(
      experiment, strategy, spec, precisions.for_sampling(experiment.precision, strategy))
  with strategies.scope(strategy):
    options = building.prepare_sampler(built.task, options or {})
  if built.task.conditional:
    split = split or experiment.splits[0]
    clips = min(experiment.clips.count(split), -(-num_samples // samples_per_condition))
    count = min(num_samples, clips * samples_per_condition)
    if count < num_samples:
      logging.warning('split %s has conditions for %d clips only', split, count)
    batches = experiment.clips.evaluation(split, batch_size, limit=clips)
    batches = _repeated(batches, samples_per_condition, batch_size).take(-(-count // batch_size))
  else:
    count = num_samples
    batches = [{'video': tf.zeros((batch_size,) + tuple(spec['video'].shape), tf.uint8)}]
    batches *= -(-num_samples // batch_size)
  levels, data = [], []
  with strategies.scope(strategy):
    building.refuse_nan(built, building.restore(built, model_dir))
    make = getattr(
        built.task, 'levels', lambda *args, **kwargs: [built.task.sample(*args, **kwargs)])
    draw = strategies.on_replicas(
        strategy, lambda batch, seed: make(batch, seed, **options))
    bar = tqdm.tqdm(batches, 'sample', -(-count // batch_size), unit='batch')
    for i, batch in enumerate(bar):
      batch_seed = randomness.fold_in(randomness.seed_of(seed), i)
      levels.append(draw(batch, batch_seed))
      data.append(batch['video'].numpy())
  *below, samples = [np.concatenate(videos)[:count] for videos in zip(*levels)]
  videos = {'samples': samples, **{f'level{i}': video for i, video in enumerate(below, start=1)}}
  if built.task.conditional:
    videos['data'] = np.concatenate(data)[:count]
    videos['conditioning_frames'] = np.int32(built.task.conditioning_frames)
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
    export_dir: a folder, local or gs://.
    batch_size: clips that a call draws.
    options: as of `sample`.

  Returns:
    What the signature takes, name -> TensorSpec: `seed`, and what the model is conditioned on. It
    returns {'videos': uint8 [batch_size, T, H, W, C]}, those of `sample` for the same seed and size
    of batch.
  """
  spec = layout.saved_spec(model_dir)
  strategy = tf.distribute.get_strategy()
  built = building.build(
      experiment, strategy, spec, precisions.for_sampling(experiment.precision, strategy))
  options = building.prepare_sampler(built.task, options or {})
  building.restore(built, model_dir)
  inputs = {'seed': tf.TensorSpec([], tf.int32, 'seed')}
  for name, of_clip in sorted(built.task.condition_spec(spec).items()):
    inputs[name] = tf.TensorSpec([batch_size] + of_clip.shape, of_clip.dtype, name)

  @tf.function(input_signature=list(inputs.values()), autograph=False)
  def draw(seed, *conditions):
    batch = {'video': tf.zeros([batch_size] + spec['video'].shape, tf.uint8)}
    batch.update(zip(list(inputs)[1:], conditions))
    first = randomness.fold_in(randomness.seed_of(seed), 0)
    return {'videos': built.task.sample(batch, first, **options)}

  module = tf.Module()
  # Not the Keras model: it would save its layers.
  module.values = [*built.task.model.variables, *built.standing.variables]
  module.draw = draw
  tf.saved_model.save(module, export_dir, signatures={'sample': draw})
  return inputs
