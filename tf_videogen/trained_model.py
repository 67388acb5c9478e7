"""A trained model, opened: the weights of a checkpoint, and what is made with them.

All that samples opens a model directory here: `sampling`, evaluations, predictions.
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

  Attributes:
    task: its task.
    spec: name -> TensorSpec of one example of its clips.
    conditioning_frames: how many first frames of its samples are given.
    labelled: whether its clips have classes.
    class_names: of these, a list; empty if unknown.
    reconstructs: whether it encodes and decodes clips.
    drawn: True: another seed gives other samples.
    checkpoint, step: path of the checkpoint whose weights it has, and its step.
    identity: what its samples depend on besides the configuration: the checkpoint.

  Args:
    experiment: an Experiment.
    model_dir: a trained model's directory.
    strategy: a tf.distribute.Strategy.
    options: how it samples: keyword arguments of the task's `sample` and `prepare_samples`; None:
      as the task does by default, if it samples at all.
    rows: clips that are made at once, which all calls are filled up to, so that there is one
      program; None: as many as a call has.
    after_batch: called after every pass for standing statistics; may raise.

  Raises:
    FileNotFoundError: if it is no model directory.
    ValueError: if the task cannot sample as it shall.
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
    """Sets what recordings depend on, before they are made; returns options of `sample` alone."""
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
    """Takes the weights of a checkpoint; what is compiled remains.

    Args:
      checkpoint: the path of one; None: the latest readable one of the directory.

    Returns:
      Whether it can be read.

    Raises:
      FileNotFoundError: if there is none in the directory.
      ValueError: if it is another configuration's, or has values that are not finite.
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
    """Raises ValueError if weights are not finite, which samplers turn into black videos."""
    for variable in self.task.model.variables:
      if variable.dtype.is_floating and not np.isfinite(variable.numpy()).all():
        raise ValueError(f'{variable.name} in {checkpoint} has values that are not finite (NaN): '
                         'training has failed, there is nothing to evaluate or to sample')

  def class_number(self, name):
    """The number of a class, an int, from its name or its number as a text.

    Raises:
      ValueError: if samples depend on no class, or if there is none of that name.
    """
    if not (self.labelled and self.task.conditional):
      raise ValueError('samples of this model depend on no class: leave --label out')
    if name in self.class_names:
      return self.class_names.index(name)
    told = 'label' in self.task.conditions
    classes = self.task.classes if told else len(self.class_names)
    if name.isdigit() and (int(name) < classes or not classes):
      return int(name)
    near = difflib.get_close_matches(name, self.class_names) or self.class_names
    there = ', '.join(near[:8]) or f'the numbers from 0 to {classes - 1}'
    raise ValueError(f'--label={name} is no class of this model; there are: {there}')

  @property
  def variables(self):
    """All that samples depend on: weights and standing statistics."""
    return [*self.task.model.variables, *self._built.standing.variables]

  def save(self, path):
    """Writes its checkpoint, with all that training needs, whatever became of the files."""
    self._built.checkpoint.write(path)

  def sample(self, batch, seed):
    """Samples for the conditions of a batch.

    Args:
      batch: dict of arrays, `video` and what else the clips have.
      seed: int32 [2].

    Returns:
      uint8 [B, T, H, W, C].
    """
    return self._call('sample', lambda batch, seed: self.task.sample(
        batch, seed, **self.options), batch, seed)

  def levels(self, batch, seed):
    """Samples, and what levels below made for them, the first level's first: a list of arrays."""
    return self._call('levels', lambda batch, seed: self.task.levels(
        batch, seed, **self.options), batch, seed)

  def previews(self, batch, seed):
    """What the task shows of a batch, a dict of arrays."""
    return self._call('previews', self._previews, batch, seed)

  def reconstruct(self, batch):
    """Clips, encoded and decoded: uint8 [B, T, H, W, C]."""
    return self._call('reconstruct', lambda batch, seed: self.task.reconstruct(batch), batch,
                      tf.zeros([2], tf.int32))

  def _call(self, name, function, batch, seed):
    """A function on all replicas, made once."""
    if name not in self._functions:
      self._functions[name] = strategies.on_replicas(self.strategy, function)
    batch = {name: value for name, value in batch.items() if name in self.spec and name != 'id'}
    batch['video'] = batch['video'][:, :self.spec['video'].shape[0]]
    count = len(batch['video'])
    if self._rows:
      rows = np.arange(self._rows) % count
      batch = {name: np.asarray(value)[rows] for name, value in batch.items()}
    made = self._functions[name](batch, seed)
    return tf.nest.map_structure(lambda value: value[:count], made)
