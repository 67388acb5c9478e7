"""A trained model: the weights of a checkpoint, and the functions that use them.

All programs that sample open a model directory here: `sampling`, evaluations, predictions.
"""

import difflib
import inspect

import numpy as np
import tensorflow as tf

from tf_videogen import building
from tf_videogen import files
from tf_videogen.model_directory import layout
from tf_videogen.training import precision as precisions
from tf_videogen.training import strategies


class TrainedModel:
  """A model directory's model on the replicas of a strategy.

  Call `restore` before sampling: the constructor loads no weights.

  Args:
    experiment: an Experiment.
    model_dir: a trained model's directory.
    strategy: a tf.distribute.Strategy.
    options: options of sampling, keyword arguments of the task's `sample` and `prepare_samples`. If
      None, the task's defaults apply, and the task need not be able to sample.
    rows: clips per call, at least as many as a batch has. Smaller batches are filled up to this
      number, so that there is only one program. If None, a call has the clips of its batch.
    after_batch: called after every piece of a pass for standing statistics; may raise.

  Attributes:
    task: the task of the model.
    spec: name -> TensorSpec of one example of the clips on which it was trained.
    options: the options for the task's `sample` alone.
    conditioning_frames: number of first frames of a sample that are given, by the options or else
      by the task.
    labelled: whether the clips have classes.
    class_names: names of the classes, a list; empty if unknown.
    reconstructs: whether the model encodes and decodes clips.
    drawn: True, because another seed gives other samples.
    checkpoint: path of the checkpoint whose weights it has.
    step: step of that checkpoint.
    identity: what its samples depend on besides the configuration: path, step, size and time of the
      checkpoint, a list.

  Raises:
    FileNotFoundError: if `model_dir` is not a model directory.
    ValueError: if `options` are given and the task cannot sample or does not know one of them.
  """

  drawn = True

  def __init__(self, experiment, model_dir, strategy, options=None, rows=None,
               after_batch=lambda: None):
    self.strategy = strategy
    self.spec = layout.saved_spec(model_dir)
    self._model_dir = model_dir
    self._rows = rows
    self._built = building.build(
        experiment, strategy, self.spec, precisions.for_sampling(experiment.precision, strategy))
    self._built.standing.after_batch = after_batch
    self.task = self._built.task
    with strategies.scope(strategy):
      self.options = {} if options is None else self._prepared(options)
    self.conditioning_frames = self.options.get(
        'conditioning_frames', self.task.conditioning_frames)
    self.labelled = 'label' in self.spec
    self.class_names = layout.saved_class_names(model_dir)
    self.reconstructs = self.task.reconstructs
    self._functions = {}
    self._previews = tf.function(self.task.previews, autograph=False)

  def _prepared(self, options):
    """Passes options to `prepare_samples`, before statistics are recorded; returns the others."""
    task = self.task
    if task.cannot_sample:
      raise ValueError(task.cannot_sample)
    of_recordings = list(inspect.signature(task.prepare_samples).parameters)
    of_samples = list(inspect.signature(task.sample).parameters)[2:]  # without batch and seed
    known = list(dict.fromkeys(of_samples + of_recordings))
    for name in options:
      if name not in known:
        raise ValueError(f'{type(task).__name__} has no sampling option {name!r}; it samples by: '
                         f'{", ".join(known)}')
    before = {name: value for name, value in options.items() if name in of_recordings}
    if before:
      task.prepare_samples(**before)
    return {name: value for name, value in options.items() if name not in before}

  def restore(self, checkpoint=None):
    """Loads the weights of a checkpoint; compiled programs remain valid.

    Args:
      checkpoint: path of a checkpoint. If None, the latest readable one of the directory.

    Returns:
      Whether the checkpoint can be read.

    Raises:
      FileNotFoundError: if `checkpoint` is None and the directory has no checkpoint.
      ValueError: if the checkpoint is another configuration's, or has values that are not finite.
    """
    with strategies.scope(self.strategy):
      found = building.restore(self._built, self._model_dir, checkpoint)
      if found is None:
        return False
      self._refuse_nan(found)
    self.checkpoint, self.step = found, int(self._built.step.numpy())
    self.identity = [found, self.step, files.size_and_time(f'{found}.index')]
    return True

  def _refuse_nan(self, checkpoint):
    """Raises a ValueError if weights are not finite: samplers would make black videos of them."""
    for variable in self.task.model.variables:
      if variable.dtype.is_floating and not np.isfinite(variable.numpy()).all():
        raise ValueError(f'{variable.name} in {checkpoint} has values that are not finite (NaN): '
                         'training has failed, there is nothing to evaluate or to sample')

  def class_number(self, name):
    """The number of a class, an int, from its name or its number as a string.

    Raises:
      ValueError: if samples do not depend on a class, or if there is no class of that name.
    """
    if not (self.labelled and self.conditional):
      raise ValueError('samples of this model do not depend on a class: leave out --label')
    if name in self.class_names:
      return self.class_names.index(name)
    told = 'label' in self.task.conditions
    classes = self.task.classes if told else len(self.class_names)
    if name.isdigit() and (int(name) < classes or not classes):
      return int(name)
    near = difflib.get_close_matches(name, self.class_names) or self.class_names
    there = ', '.join(near[:8]) or f'the numbers from 0 to {classes - 1}'
    raise ValueError(f'--label={name} is not a class of this model; there are: {there}')

  @property
  def conditional(self):
    """Whether a sample needs a clip to take conditions from."""
    return bool(self.conditioning_frames or self.task.conditions)

  @property
  def condition_spec(self):
    """What a sample reads of a clip, name -> TensorSpec."""
    return self.task.condition_spec(self.spec, self.conditioning_frames)

  @property
  def variables(self):
    """All variables on which samples depend, a list: weights and standing statistics."""
    return [*self.task.model.variables, *self._built.standing.variables]

  def save(self, path):
    """Writes its checkpoint to `path`, complete for training, even if the files were removed."""
    self._built.checkpoint.write(path)

  def sample(self, batch, seed):
    """Samples one clip for the conditions of each clip of a batch.

    Args:
      batch: dict of arrays: 'video', and 'label' and 'actions' if the clips have them.
      seed: int32 [2].

    Returns:
      uint8 [B, T, H, W, C].
    """
    return self._call('sample', lambda batch, seed: self.task.sample(
        batch, seed, **self.options), batch, seed)

  def levels(self, batch, seed):
    """Samples, and the videos of the levels below, the first level's first: a list of arrays."""
    return self._call('levels', lambda batch, seed: self.task.levels(
        batch, seed, **self.options), batch, seed)

  def previews(self, batch, seed):
    """The task's previews of a batch, a dict of arrays."""
    return self._call('previews', self._previews, batch, seed)

  def reconstruct(self, batch):
    """Encodes and decodes clips: uint8 [B, T, H, W, C]."""
    return self._call('reconstruct', lambda batch, seed: self.task.reconstruct(batch), batch,
                      tf.zeros([2], tf.int32))

  def _call(self, name, function, batch, seed):
    """Calls a function on all replicas. It is distributed once per name."""
    if name not in self._functions:
      self._functions[name] = strategies.on_replicas(self.strategy, function)
    batch = {name: value for name, value in batch.items() if name in self.spec and name != 'id'}
    batch['video'] = batch['video'][:, :self.spec['video'].shape[0]]
    count = len(batch['video'])
    if self._rows:
      if count > self._rows:
        raise ValueError(f'the model was opened for {self._rows} clips per call, and this batch '
                         f'has {count}: give fewer, or open it with more rows')
      rows = np.arange(self._rows) % count
      batch = {name: np.asarray(value)[rows] for name, value in batch.items()}
    made = self._functions[name](batch, seed)
    return tf.nest.map_structure(lambda value: value[:count], made)
