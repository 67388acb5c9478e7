"""What a program costs: memory against what a core has, bounds on time, core-hours.

The roofline (Williams et al. 2009): a step takes at least FLOPs / peak FLOP/s, and at least
bytes / bandwidth. Real steps take longer; `efficiency` is the share of the bound's speed that one
hopes for.
"""

import typing


class Cost(typing.NamedTuple):
  """A program's cost on a topology.

  program, batch, parameters, summed_bytes: see programs.Program; batch is a core's.
  topology: its name. cores: of the slice.
  compiled, error, ...: see compiler.Compiled.
  hbm_bytes: memory of a core. fits: whether the program compiled and fits into it.
  intensity: FLOPs a byte.
  compute_s, memory_s: the two bounds; bound_s: the larger one.
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
    """Whether it is the memory that a core lacks; a smaller batch may fit."""
    return not self.fits and (self.compiled or self.error.startswith('out of memory'))


def cost(program, compiled, topology):
  """The Cost of a Program, from what the compiler said of it, on a Topology."""
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
  """Core-hours of so many steps on so many cores."""
  return bound_s / efficiency * steps * cores / 3600


def largest_batch(fits, start, limit=1024):
  """The largest batch that fits, by doubling and bisection.

  Args:
    fits: a function of a batch; if it holds for one batch, it holds for smaller ones.
    start: the first one to try.
    limit: the largest one to try.

  Returns:
    int, 0 if not even 1 fits.
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
  """The fewest cores that a batch divides over, at most `largest` clips each; 0 if `largest` is."""
  even = (clips for clips in range(largest, 0, -1) if batch_size % clips == 0)
  return next((batch_size // clips for clips in even), 0)
