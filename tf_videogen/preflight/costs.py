"""The cost of a program: memory and whether it fits a core, bounds on time, core-hours.

The bounds are those of the roofline model (Williams et al. 2009): a step takes at least
FLOPs / peak FLOP/s, and at least bytes / bandwidth. Real steps take longer. `efficiency` is the
fraction of the bound's speed that is expected.
"""

import typing


class Cost(typing.NamedTuple):
  """The cost of a program on a topology.

  Attributes:
    program: name of the program: 'train', 'evaluate', 'sample' or 'record'.
    batch: clips per core.
    parameters: number of trainable parameters of the network.
    topology: name of the topology.
    cores: number of cores of the slice.
    hbm_bytes: memory of a core, in bytes.
    fits: whether the program compiled and fits into that memory.
    compiled, error, peak_bytes, ...: see `compiler.Compiled`.
    intensity: FLOPs per byte that is moved to or from memory.
    compute_s, memory_s: lower bounds on the time in seconds, by FLOPs and by bytes.
    bound_s: the larger of the two bounds.
    summed_bytes: bytes that are summed over cores, see `programs.Program`.
  """
  program: str
  batch: int
  parameters: int
  topology: str
  cores: int
  compiled: bool
  error: str
  hbm_bytes: int
  fits: bool
  peak_bytes: int
  argument_bytes: int
  temporary_bytes: int
  code_bytes: int
  flops: float
  bytes_accessed: float
  loops_of_unknown_length: int
  loops_of_unknown_start: int
  intensity: float
  compute_s: float
  memory_s: float
  bound_s: float
  summed_bytes: int

  @property
  def too_large(self):
    """Whether the program needs more memory than a core has; a smaller batch may fit."""
    return not self.fits and (self.compiled or self.error.startswith('out of memory'))


def cost(program, compiled, topology):
  """The Cost of a Program on a Topology; `compiled` is the compiler's answer, a Compiled."""
  core = topology.generation
  compute, memory = compiled.flops / core.flops, compiled.bytes_accessed / core.bandwidth
  return Cost(
      program=program.name, batch=program.batch, parameters=program.parameters,
      topology=topology.name, cores=topology.cores, hbm_bytes=core.hbm_bytes,
      fits=compiled.compiled and compiled.peak_bytes <= core.hbm_bytes,
      intensity=compiled.flops / max(compiled.bytes_accessed, 1.0),
      compute_s=compute, memory_s=memory, bound_s=max(compute, memory),
      summed_bytes=program.summed_bytes, **compiled._asdict())


def core_hours(bound_s, steps, cores, efficiency=1.0):
  """Core-hours of `steps` steps on `cores` cores, at a share `efficiency` of the bound's speed."""
  return bound_s / efficiency * steps * cores / 3600


def largest_batch(fits, start, limit=1024):
  """The largest batch that fits, by doubling and bisection.

  Args:
    fits: function that tells whether a batch fits. If one fits, all smaller ones must fit, too.
    start: the first batch to try.
    limit: the largest batch to try.

  Returns:
    int, 0 if not even a batch of 1 fits.
  """
  low, high = 0, max(1, start)  # low fits; high will not
  while high <= limit and fits(high):
    low, high = high, 2 * high
  high = min(high, limit + 1)
  while high - low > 1:
    middle = (low + high) // 2
    low, high = (middle, high) if fits(middle) else (low, middle)
  return low


def smallest_cores(batch_size, largest):
  """The fewest cores that share a batch evenly, at most `largest` clips each; 0 if that is 0."""
  even = (clips for clips in range(largest, 0, -1) if batch_size % clips == 0)
  return next((batch_size // clips for clips in even), 0)
