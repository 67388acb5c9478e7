"""The programs of an experiment as one core of a TPU would run them, as HLO.

What is exported is what runs: the trainer's step with forward and backward pass, optimizer and all
updates; the task's statistics; the task's sampler. It is one replica's, outside of any strategy, so
that sums over replicas are not in it: neither their time nor their buffers.
"""

import hashlib
import typing

import tensorflow as tf
from tensorflow.compiler.xla.service import hlo_pb2

from tf_videogen import experiment as experiments

PROGRAMS = ('train', 'evaluate', 'sample')


class Program(typing.NamedTuple):
  """A program of one core.

  name: one of PROGRAMS.
  batch: clips that it takes at once.
  parameters: trainable ones of the network.
  hlo: serialized HloModuleProto.
  """
  name: str
  batch: int
  parameters: int
  hlo: bytes

  @property
  def digest(self):
    """What identifies the computation, whatever its instructions are called."""
    return digest(self.hlo)


def export(experiment, spec, name, batch):
  """Builds an experiment and exports one of its programs; nothing is computed.

  Args:
    experiment: an Experiment. Its precision 'auto' is a TPU's, mixed_bfloat16.
    spec: name -> TensorSpec of one example, as `clips.example_spec()` has it.
    name: one of PROGRAMS.
    batch: clips a core.

  Returns:
    Program.

  Raises:
    ValueError: if the experiment has no such program, or the model doesn't fit the clips.
  """
  if name not in PROGRAMS:
    raise ValueError(f'unknown program {name!r}; there are: {", ".join(PROGRAMS)}')
  precision = {'auto': 'mixed_bfloat16'}.get(experiment.precision, experiment.precision)
  built = experiments.build(experiment, tf.distribute.get_strategy(), spec, precision)
  function, inputs = _function(experiment, built, spec, name, batch)
  parameters = sum(v.shape.num_elements() for v in built.task.trainable_variables)
  return Program(name, batch, parameters, _hlo(function, inputs))


def _function(experiment, built, spec, name, batch):
  """A function of a dict of tensors, and the specs of that dict."""
  inputs = {key: tf.TensorSpec([batch] + value.shape, value.dtype)
            for key, value in spec.items() if value.dtype != tf.string}
  if name == 'train':
    return experiments.make_trainer(experiment, built).replica_step, inputs
  inputs['valid'] = tf.TensorSpec([batch], tf.bool)
  if name == 'evaluate':
    return built.task.statistics, inputs
  if not hasattr(built.task, 'sample'):
    raise ValueError(f'{type(built.task).__name__} has no program to sample')
  inputs['seed'] = tf.TensorSpec([2], tf.int32)
  return lambda batch: built.task.sample(batch, batch['seed']), inputs


def _hlo(function, inputs):
  names = sorted(inputs)  # the exporter takes a TensorSpec as an argument, not inside a dict
  compiled = tf.function(lambda *tensors: function(dict(zip(names, tensors))),
                         jit_compile=True, autograph=False)
  hlo = compiled.experimental_get_compiler_ir(*(inputs[name] for name in names))(
      stage='hlo_serialized')
  if not hlo:
    raise ValueError('TensorFlow exported an empty program: its constants exceed 2 GiB')
  return hlo


def digest(hlo):
  """SHA-256 of a program without names and places in source files, 16 hexadecimal digits."""
  module = hlo_pb2.HloModuleProto.FromString(hlo)
  module.name, module.entry_computation_name, module.id = '', '', 0
  for computation in module.computations:
    computation.name = ''
    for instruction in computation.instructions:
      instruction.name = ''
      instruction.ClearField('metadata')
  return hashlib.sha256(module.SerializeToString(deterministic=True)).hexdigest()[:16]
