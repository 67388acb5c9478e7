"""A config's programs as one core of a TPU would run them, exported for its compiler."""

from concurrent.futures import process as processes
import gc
import multiprocessing
import os
import re
import threading
import typing

from absl import logging

from tf_videogen.launch import configs
from tf_videogen.launch import lazy
from tf_videogen.launch import prepare
from tf_videogen.launch import program

with lazy.imports():
  import tensorflow as tf
  from tf_videogen import building
  from tf_videogen import experiment
  from tf_videogen.preflight import programs


class Request(typing.NamedTuple):
  """What to export.

  gin_files, gin_params, data_dir: the config, see `configs.parse`.
  program: one of building.PROGRAMS.
  batch: clips of the core.
  clip_shape: 'TxHxWxC', instead of asking the data.
  actions: numbers a frame, together with `clip_shape`.
  """
  gin_files: tuple
  gin_params: tuple
  data_dir: str | None
  program: str
  batch: int
  clip_shape: str | None = None
  actions: int = 0


def export(request):
  """Exports in this process: a Request -> programs.Program."""
  configs.parse(request.gin_files, request.gin_params, request.data_dir, needs_all=False)
  config = configs.configured(experiment.Experiment)()
  spec = example_spec(config.clips, request.clip_shape, request.actions)
  with tf.variable_creator_scope(_without_values):
    function, inputs, parameters = building.program(config, spec, request.program, request.batch)
  return programs.export(request.program, function, inputs, request.batch, parameters)


def _without_values(create, **kwargs):
  """Creates a variable whose memory nobody touches: a program has shapes, and no values.

  The weights and the optimizer's slots of a large GAN would take 9 GB.
  """
  value = kwargs['initial_value']
  shape = kwargs.get('shape') if callable(value) else getattr(value, 'shape', None)
  if shape is not None and tf.TensorShape(shape).num_elements() > 1:
    dtype = kwargs.get('dtype') or value.dtype
    kwargs['initial_value'] = lambda: tf.raw_ops.Empty(shape=shape, dtype=dtype)
  return create(**kwargs)


def export_apart(request):
  """Exports in a process of its own, as TensorFlow keeps what it took: 10 GB for 16,384 tokens.

  Args:
    request: a Request.

  Returns:
    programs.Program.

  Raises:
    ValueError, FileNotFoundError: see `configs.parse`, `example_spec` and `building.program`; and
      where the memory of the machine doesn't do.
  """
  try:
    with processes.ProcessPoolExecutor(1, multiprocessing.get_context('spawn'),
                                       _begin_apart) as process:
      return process.submit(_export_or_say_why, request).result()
  except processes.BrokenProcessPool as error:
    raise ValueError('the process that exports the program was killed; a large program needs 10 GB '
                     'of memory') from error


def _begin_apart():
  """In the process apart: it ends where its parent is gone.

  Python's garbage collector would walk through a growing graph again and again. It and the readable
  tracebacks of TensorFlow take a quarter of an export's time.
  """
  logging.use_absl_handler()
  program.quiet_libraries()
  gc.disable()
  tf.debugging.disable_traceback_filtering()

  def end_with_parent():
    multiprocessing.parent_process().join()
    os._exit(1)
  threading.Thread(target=end_with_parent, daemon=True).start()


def _export_or_say_why(request):
  """`export`, whose errors can travel between processes: gin raises classes that can't."""
  try:
    return export(request)
  except FileNotFoundError as error:
    raise FileNotFoundError(str(error)) from None
  except ValueError as error:
    raise ValueError(str(error)) from None


def example_spec(clips, clip_shape=None, actions=0):
  """The specs of one example, of data that may not be prepared.

  Args:
    clips: a ClipSource.
    clip_shape: 'TxHxWxC', instead of asking the data.
    actions: numbers a frame, together with `clip_shape`.
  """
  if clip_shape:
    if not re.fullmatch(r'\d+x\d+x\d+x\d+', clip_shape):
      raise ValueError(f'--clip_shape={clip_shape} must be TxHxWxC, such as 16x64x64x3')
    shape = tuple(int(extent) for extent in clip_shape.split('x'))
    spec = {'video': tf.TensorSpec(shape, tf.uint8), 'label': tf.TensorSpec([], tf.int32)}
    return {**spec, 'actions': tf.TensorSpec([shape[0], actions])} if actions else spec
  try:
    return clips.example_spec()
  except FileNotFoundError as error:
    if clips.dataset is None:
      raise FileNotFoundError(f'{error}; or give --clip_shape=TxHxWxC') from error
  try:  # a builder knows the shapes before anything is prepared
    clips.describe(prepare.make_builder(clips.dataset))
    return clips.example_spec()
  except ValueError as error:
    raise ValueError(f'{error}; or give --clip_shape=TxHxWxC') from error
