"""The programs of an experiment as one core of a TPU would run them, as HLO.

What is exported is what runs, see `building.program`. It is one replica's, outside of any
strategy, so that sums over replicas are not in it: neither their time nor their buffers.
"""

import hashlib
import typing

import tensorflow as tf
from tensorflow.compiler.xla.service import hlo_pb2

from tf_videogen.layers import replicas


class Program(typing.NamedTuple):
  """A program of one core.

  name: 'train', 'evaluate', 'sample' or 'record'.
  batch: number of clips that it takes at once.
  parameters: number of the network's trainable parameters.
  hlo: serialized HloModuleProto.
  summed_bytes: bytes of all tensors that the cores of a slice add up, such as gradients. These sums
    are not in `hlo`.
  """
  name: str
  batch: int
  parameters: int
  hlo: bytes
  summed_bytes: int = 0

  @property
  def digest(self):
    """A hash of the computation, which the names of its instructions do not change."""
    return digest(self.hlo)

  @property
  def instructions(self):
    """Number of operations. The time of compiling grows with it."""
    module = hlo_pb2.HloModuleProto.FromString(self.hlo)
    return sum(len(computation.instructions) for computation in module.computations)


def export(name, function, inputs, batch, parameters):
  """Exports a function. Computes nothing.

  Args:
    name: name of the program.
    function: function of one dict of tensors.
    inputs: name -> TensorSpec of that dict.
    batch, parameters: see `Program`.

  Returns:
    Program.

  Raises:
    ValueError: if the program's constants are too large.
  """
  with replicas.recorded_sums() as sizes:
    hlo = _hlo(function, inputs)
  return Program(name, batch, parameters, hlo, sum(sizes))


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
