"""Fingerprints of programs, which need neither a TPU's compiler nor initial values.

The cost of a compiled program stays true as long as the program's arithmetic stays the same. The
fingerprint tells whether it does. Another epsilon, seed or learning rate does not change it.
Another width does.
"""

import collections
import hashlib
import math
import re
import typing

from tensorflow.compiler.xla import xla_data_pb2
from tensorflow.compiler.xla.service import hlo_pb2

# Operations that take one floating-point operation per element of their result.
_ELEMENTWISE = frozenset((
    'add', 'subtract', 'multiply', 'divide', 'remainder', 'maximum', 'minimum', 'power', 'negate',
    'abs', 'sign', 'floor', 'ceil', 'round-nearest-afz', 'round-nearest-even', 'sqrt', 'rsqrt',
    'cbrt', 'exponential', 'exponential-minus-one', 'log', 'log-plus-one', 'logistic', 'tanh',
    'tan', 'sine', 'cosine', 'atan2', 'erf'))
_FLOATS = frozenset((xla_data_pb2.F16, xla_data_pb2.F32, xla_data_pb2.F64, xla_data_pb2.BF16))
# Bits of an element, from its type's name: F32, S64, BF16. PRED has no digits and takes a byte.
_BITS = {number: int(re.sub(r'^[A-Z]+(\d*).*', r'\1', name) or 8)
         for name, number in xla_data_pb2.PrimitiveType.items()}


class Fingerprint(typing.NamedTuple):
  """A few figures that identify a program's arithmetic.

  Attributes:
    operations: SHA-256 of the counts of all operations, 16 hexadecimal digits. Operations are
      distinguished by the shapes and types of their operands and results. Constants, names,
      metadata and layouts do not matter.
    flops: floating-point operations before the compiler has changed anything. The body of a loop
      counts as often as it runs, or once if that depends on the data.
    bytes: size of all parameters, arguments and results.
  """
  operations: str
  flops: float
  bytes: float


def of_hlo(serialized):
  """The Fingerprint of a serialized HloModuleProto."""
  module = hlo_pb2.HloModuleProto.FromString(serialized)
  shape = module.host_program_shape
  moved = sum(map(_bytes, [*shape.parameters, shape.result]))
  return Fingerprint(_operations(module), _Counter(module).flops(module.entry_computation_id),
                     float(moved))


def moved(before, now):
  """The relative changes of FLOPs and bytes between two Fingerprints: 0.02 is +2 %."""
  return tuple((new - old) / max(old, 1.0)
               for old, new in ((before.flops, now.flops), (before.bytes, now.bytes)))


def _operations(module):
  counts = collections.Counter()
  for computation in module.computations:
    shapes = {one.id: _shape(one.shape) for one in computation.instructions}
    for one in computation.instructions:
      if one.opcode != 'constant':
        operands = ','.join(shapes[operand] for operand in one.operand_ids)
        counts[f'{one.opcode}({operands})->{shapes[one.id]}'] += 1
  text = '\n'.join(f'{count} {operation}' for operation, count in sorted(counts.items()))
  return hashlib.sha256(text.encode()).hexdigest()[:16]


def _shape(shape):
  """A shape as text, without its layout."""
  if shape.tuple_shapes:
    return f'({",".join(map(_shape, shape.tuple_shapes))})'
  return f'{shape.element_type}{list(shape.dimensions)}'


def _bytes(shape):
  if shape.tuple_shapes:
    return sum(map(_bytes, shape.tuple_shapes))
  return math.prod(shape.dimensions) * _BITS[shape.element_type] / 8


class _Counter:
  """Counts the FLOPs of the computations of a module.

  Args:
    module: an HloModuleProto.
  """

  def __init__(self, module):
    self._computations = {one.id: one for one in module.computations}
    self._by_id = {key: {one.id: one for one in computation.instructions}
                   for key, computation in self._computations.items()}
    self._flops = {}

  def flops(self, computation):
    """FLOPs of a computation, by its id."""
    if computation not in self._flops:
      self._flops[computation] = sum(
          self._of(one, self._by_id[computation])
          for one in self._computations[computation].instructions)
    return self._flops[computation]

  def _of(self, one, others):
    """FLOPs of an instruction; `others` are the instructions of its computation, by id."""
    shapes = [others[operand].shape.dimensions for operand in one.operand_ids]
    if one.opcode == 'while':
      body, condition = one.called_computation_ids
      return self._trips(one, condition, others) * self.flops(body)
    if one.opcode in ('call', 'fusion'):
      return self.flops(one.called_computation_ids[0])
    if one.opcode == 'conditional':
      return max(map(self.flops, one.called_computation_ids))
    if one.shape.tuple_shapes or one.shape.element_type not in _FLOATS:
      return 0.0
    results = float(math.prod(one.shape.dimensions))
    if one.opcode == 'dot':
      contracted = one.dot_dimension_numbers.lhs_contracting_dimensions
      return 2 * results * math.prod(shapes[0][axis] for axis in contracted)
    if one.opcode == 'convolution':
      kernel = shapes[1]
      features = kernel[one.convolution_dimension_numbers.kernel_output_feature_dimension]
      holes = math.prod(axis.base_dilation for axis in one.window.dimensions)
      return 2 * results * math.prod(kernel) / features / holes / max(1, one.batch_group_count)
    if one.opcode == 'reduce':
      return float(math.prod(shapes[0]))
    if one.opcode == 'reduce-window':
      return results * math.prod(axis.size for axis in one.window.dimensions)
    return results if one.opcode in _ELEMENTWISE else 0.0

  def _trips(self, loop, condition, others):
    """The trip count of `while (i < end)`, from a constant or 0 on; 1 if `end` is unknown."""
    starts = others[loop.operand_ids[0]].operand_ids
    counts = []
    for counter, end in self._comparisons(condition):
      start = others[starts[counter]] if counter < len(starts) else None
      counts.append(end - (_integer(start) or 0))
    return max(0, min(counts, default=1))

  def _comparisons(self, condition):
    """Yields (index in the loop's tuple, constant that this element must be less than)."""
    found = self._by_id[condition]
    for one in found.values():
      if one.opcode == 'call':
        yield from self._comparisons(one.called_computation_ids[0])
      if one.opcode == 'compare' and one.comparison_direction == 'LT':
        counter, end = (found[operand] for operand in one.operand_ids)
        if counter.opcode == 'get-tuple-element' and _integer(end) is not None:
          yield counter.tuple_index, _integer(end)


def _integer(one):
  """The value of a constant that is one integer; None for any other instruction."""
  if one is None or one.opcode != 'constant' or one.shape.dimensions:
    return None
  values = [*one.literal.s32s, *one.literal.s64s]
  return values[0] if len(values) == 1 else None
