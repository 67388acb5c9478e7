"""Cloud TPUs: their memory, speed and number of cores.

The figures are per chip, from the pages "TPU v2" ... "TPU v6e" of Google's documentation
(https://cloud.google.com/tpu/docs/system-architecture-tpu-vm):

    generation  peak bfloat16   HBM        bandwidth    cores that a program sees
    v2           45 TFLOP/s    16 GiB      700 GB/s     2
    v3          123 TFLOP/s    32 GiB      900 GB/s     2
    v4          275 TFLOP/s    32 GiB    1,200 GB/s     1 (two that act as one)
    v5e         197 TFLOP/s    16 GiB      819 GB/s     1
    v5p         459 TFLOP/s    95 GiB    2,765 GB/s     1 (two that act as one)
    v6e         918 TFLOP/s    32 GiB    1,640 GB/s     1

A core of v2 and v3 has half of its chip's memory and speed.
"""

import math
import typing

_GIB = 1 << 30
HOST_CHIPS = 4  # chips of one host of a slice of several hosts
HOST_PROCESSORS = {'v2': 96, 'v3': 96}  # virtual processors of a TPU VM


class Generation(typing.NamedTuple):
  """A generation of TPUs.

  Attributes:
    flops: peak bfloat16 FLOP/s of a core.
    hbm_bytes: memory of a core, in bytes.
    bandwidth: bytes/s between a core and its memory.
    cores: number of cores of a chip that a program sees.
    shapes: the available slices, as chips along each axis. Programs are compiled for the first.
  """
  flops: float
  hbm_bytes: int
  bandwidth: float
  cores: int
  shapes: tuple


_FLAT = ('2x2', '4x4', '4x8', '8x8', '8x16', '16x16', '16x32', '32x32')
_FLAT_E = ('2x2', '2x4', '4x4', '4x8', '8x8', '8x16', '16x16')
_CUBES = ('2x2x1', '2x2x2', '2x2x4', '2x4x4', '4x4x4', '4x4x8', '4x8x8', '8x8x8', '8x8x16')

GENERATIONS = {
    'v2': Generation(45e12 / 2, 8 * _GIB, 700e9 / 2, 2, _FLAT[:6]),
    'v3': Generation(123e12 / 2, 16 * _GIB, 900e9 / 2, 2, _FLAT),
    'v4': Generation(275e12, 32 * _GIB, 1200e9, 1, _CUBES),
    'v5e': Generation(197e12, 16 * _GIB, 819e9, 1, _FLAT_E),
    'v5p': Generation(459e12, 95 * _GIB, 2765e9, 1, _CUBES),
    'v6e': Generation(918e12, 32 * _GIB, 1640e9, 1, _FLAT_E),
}


class Topology(typing.NamedTuple):
  """A slice of TPUs, such as 'v3:2x2': 4 chips, 8 cores.

  Attributes:
    name: name of the slice, generation:chips along each axis.
    generation: its Generation.
    cores: number of cores of the slice.
    compile_for: name of the smallest slice of the generation. Programs are compiled for it, because
      a core's program is the same on all slices.
  """
  name: str
  generation: Generation
  cores: int
  compile_for: str

  @property
  def hosts(self):
    """Number of hosts of the slice."""
    return max(self.cores // (HOST_CHIPS * self.generation.cores), 1)


def topology(name):
  """The Topology of a name 'generation:AxB' or 'generation:AxBxC', or of a slice's type.

  Types are the names under which Cloud offers slices, such as 'v3-8'. Their number is that of
  cores, two per chip, or that of chips for v5e ('v5litepod-8') and v6e.

  Raises:
    ValueError: if there is no such slice. The message has the slices that there are.
  """
  generation, _, shape = _of_type(name).partition(':')
  if generation not in GENERATIONS:
    known = ', '.join(f'{key}:{value.shapes[0]}' for key, value in GENERATIONS.items())
    raise ValueError(f'unknown topology {name!r}; there are these and larger ones: {known}')
  found = GENERATIONS[generation]
  if shape not in found.shapes:
    known = ', '.join(f'{generation}:{shape}' for shape in found.shapes)
    raise ValueError(f'unknown topology {name!r}; there are: {known}')
  return Topology(f'{generation}:{shape}', found, _chips(shape) * found.cores,
                  f'{generation}:{found.shapes[0]}')


def _of_type(name):
  """Returns the name 'generation:AxB' of a slice's type; other names as they are."""
  generation, _, number = name.partition('-')
  generation = {'v5litepod': 'v5e'}.get(generation, generation)
  if generation not in GENERATIONS or not number.isdecimal():
    return name
  chips = int(number) / (1 if generation in ('v5e', 'v6e') else 2)
  shapes = [shape for shape in GENERATIONS[generation].shapes if _chips(shape) == chips]
  return f'{generation}:{shapes[0] if shapes else number}'


def _chips(shape):
  return math.prod(int(extent) for extent in shape.split('x'))
