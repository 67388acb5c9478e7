"""Sampling clips from a trained model, and exporting its sampler as a SavedModel."""

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
    num_samples: number of clips to sample.
    seed: the same seed gives the same clips, for the same batch size and number of replicas.
    split: the split whose clips give the conditions (first frames, classes, actions); the
      experiment's first one if None. Too few clips are used again, with other noise.
    batch_size: clips that are sampled at once.
    samples_per_condition: number of consecutive samples with the same conditions.
    options: keyword arguments of the task's `sample` and `prepare_samples`.
    label: class of all samples, a string, its name or number; with no other condition, no data is
      read. If None, the clips' classes.

  Returns:
    A dict of arrays: 'samples', uint8 [num_samples, T, H, W, C]; 'seed', a scalar; 'level1', ...,
    videos of a cascade's lower levels. If conditional, also 'conditioning_frames', a scalar, and
    'labels', int [num_samples]; and of the clips, 'data', as samples, and 'ids', str [num_samples].

  Raises:
    ValueError, FileNotFoundError: see `TrainedModel`; or if the split has no clip of the class.
  """
  batch_size = min(batch_size, num_samples)
  model = trained_model.TrainedModel(experiment, model_dir, strategy, options or {})
  number = None if label is None else model.class_number(label)
  count = -(-num_samples // batch_size)
  if not model.conditional or number is not None and list(model.task.conditions) == [
      'label'] and not model.conditioning_frames:
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
    if model.conditional and 'label' in batch:
      given['labels'].append(np.asarray(batch['label']))
  if not levels:
    raise ValueError(f'the split {split or experiment.splits[0]!r} has no clip of class {label} '
                     'to take conditions from: give another split with --conditions')
  joined = lambda parts: np.concatenate(parts)[:num_samples]
  *below, samples = map(joined, zip(*levels))
  videos = {'samples': samples, 'seed': np.int64(seed),
            **{f'level{i}': video for i, video in enumerate(below, start=1)},
            **{name: joined(parts) for name, parts in given.items() if parts}}
  if model.conditional:
    videos['conditioning_frames'] = np.int32(model.conditioning_frames)
  return videos


def _conditions(clips, split, label, count, times):
  """An endless dataset of a split's first clips, each repeated; after the last, it starts again.

  Args:
    clips: a ClipSource.
    split: name of the split.
    label: number of the class whose clips are taken; all classes if None.
    count: the most clips that are taken.
    times: number of repetitions of each clip, one after the other.
  """
  limit = min(count, clips.count(split)) if label is None else None
  found = clips.evaluation(split, 8, limit).unbatch().filter(lambda clip: clip['valid'])
  if label is not None:
    found = found.filter(lambda clip: clip['label'] == label).take(count)
  return found.flat_map(lambda clip: tf.data.Dataset.from_tensors(clip).repeat(times)).repeat()


def export(experiment, model_dir, export_dir, batch_size=8, options=None):
  """Writes a SavedModel with the weights of the latest readable checkpoint.

  Its signature `sample` samples clips and returns {'videos': uint8 [batch_size, T, H, W, C]}. They
  are the clips of this module's `sample` for the same seed and batch size.

  Args:
    experiment: an Experiment whose task can sample.
    model_dir: a trained model's directory.
    export_dir: a folder, local or gs://. An earlier export in it is replaced.
    batch_size: clips per call of the signature.
    options: as in `sample`.

  Returns:
    The inputs of the signature, name -> TensorSpec: `seed`, int32 [], and the model's conditions.

  Raises:
    FileNotFoundError, ValueError: as in `sample`; ValueError also if `export_dir` is not an export.
    OSError: if the folder cannot be written.
  """
  model = trained_model.TrainedModel(
      experiment, model_dir, tf.distribute.get_strategy(), options or {})
  model.restore()
  inputs = {'seed': tf.TensorSpec([], tf.int32, 'seed')}
  for name, of_clip in sorted(model.condition_spec.items()):
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
