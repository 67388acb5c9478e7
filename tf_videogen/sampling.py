"""What draws clips from a trained model: at once, or exported for elsewhere."""

import numpy as np
import tensorflow as tf
import tqdm

from tf_videogen import file_sets
from tf_videogen import files
from tf_videogen import trained_model
from tf_videogen.layers import randomness


_SAVED_MODEL = ('saved_model.pb', 'fingerprint.pb', 'variables', 'assets')


def sample(experiment, model_dir, strategy, num_samples=16, seed=0, split=None, batch_size=8,
           samples_per_condition=1, options=None, label=None):
  """Samples from the latest readable checkpoint.

  Args:
    experiment: an Experiment whose task can sample.
    model_dir: a trained model's directory.
    strategy: a tf.distribute.Strategy.
    num_samples: how many clips.
    seed: the same seed gives the same clips, for the same batch size and number of replicas.
    split: where conditions are taken from (first frames, classes, actions); the experiment's first
      one by default. Where it has fewer clips than there are conditions, they come again, with
      other noise.
    batch_size: clips that are sampled at once.
    samples_per_condition: how many samples, one after the other, have the same conditions.
    options: keyword arguments of the task's `sample`, such as {'temperature': 0.9}.
    label: name or number, a text, of the class that all samples are of. A model that is told
      nothing but the class then needs no data.

  Returns:
    dict of 'samples', uint8 [num_samples, T, H, W, C]; 'seed'; of a cascade also 'level1', ..., the
    videos of the levels below; and, where the model is conditional, the scalar
    'conditioning_frames', and of the clips that the conditions are from, as far as there are any,
    'data', 'labels', int [num_samples], and 'ids', str [num_samples].
  """
  batch_size = min(batch_size, num_samples)
  model = trained_model.TrainedModel(experiment, model_dir, strategy, options or {})
  number = None if label is None else model.class_number(label)
  count = -(-num_samples // batch_size)
  if not model.task.conditional or number is not None and list(model.task.conditions) == [
      'label'] and not model.task.conditioning_frames:
    batch = {'video': np.zeros((batch_size, *model.spec['video'].shape), np.uint8)}
    if number is not None:
      batch['label'] = np.full([batch_size], number, np.int32)
    batches = [batch] * count
  else:
    batches = _conditions(experiment.clips, split or experiment.splits[0], number,
                          -(-num_samples // samples_per_condition), samples_per_condition)
    batches = batches.batch(batch_size, drop_remainder=True).take(count)
  levels, given = [], {'data': [], 'labels': [], 'ids': []}
  model.restore()
  for i, batch in enumerate(tqdm.tqdm(batches, 'sample', count, unit='batch')):
    levels.append(model.levels(batch, randomness.fold_in(randomness.seed_of(seed), i)))
    if 'id' in batch:
      given['data'].append(np.asarray(batch['video']))
      given['ids'].append([name.decode() for name in np.asarray(batch['id'])])
    if model.task.conditional and 'label' in batch:
      given['labels'].append(np.asarray(batch['label']))
  if not levels:
    raise ValueError(f'the split {split or experiment.splits[0]!r} has no clip of class {label}, '
                     'which conditions could be taken from: name another with --conditions')
  joined = lambda parts: np.concatenate(parts)[:num_samples]
  *below, samples = map(joined, zip(*levels))
  videos = {'samples': samples, 'seed': np.int64(seed),
            **{f'level{i}': video for i, video in enumerate(below, start=1)},
            **{name: joined(parts) for name, parts in given.items() if parts}}
  if model.task.conditional:
    videos['conditioning_frames'] = np.int32(model.task.conditioning_frames)
  return videos


def _conditions(clips, split, label, count, times):
  """Clips of a split, each several times, one after the other; then again, without an end.

  Args:
    clips: a ClipSource.
    split: its name.
    label: number of the class that they are of; None: of any.
    count: how many clips, at most.
    times: how often each comes.
  """
  limit = min(count, clips.count(split)) if label is None else None
  found = clips.evaluation(split, 8, limit).unbatch().filter(lambda clip: clip['valid'])
  if label is not None:
    found = found.filter(lambda clip: clip['label'] == label).take(count)
  return found.flat_map(lambda clip: tf.data.Dataset.from_tensors(clip).repeat(times)).repeat()


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
