"""Bounds, core-hours, the largest batch, and what is said of them."""

import pytest

from tf_videogen.preflight import compiler
from tf_videogen.preflight import costs
from tf_videogen.preflight import hardware
from tf_videogen.preflight import output
from tf_videogen.preflight import programs

V3 = hardware.topology('v3:2x2')
PROGRAM = programs.Program('train', 4, 1000, b'')
GIB = 1 << 30


def _cost(peak=GIB, flops=0.0, moved=0.0, **kwargs):
  compiled = compiler.Compiled(True, peak_bytes=peak, flops=flops, bytes_accessed=moved, **kwargs)
  return costs.cost(PROGRAM, compiled, V3)


def test_the_larger_bound_counts():
  arithmetic = _cost(flops=123e12, moved=450e9)
  assert arithmetic.bound_s == arithmetic.compute_s == 2.0 and arithmetic.memory_s == 1.0
  memory = _cost(flops=61.5e12, moved=1350e9)
  assert memory.bound_s == memory.memory_s == 3.0 and memory.compute_s == 1.0
  assert memory.intensity == pytest.approx(61.5e12 / 1350e9)


def test_core_hours():
  assert costs.core_hours(0.5, 7200, 8) == 8.0
  assert costs.core_hours(0.5, 7200, 8, efficiency=0.4) == 20.0


@pytest.mark.parametrize('peak, fits', [(16 * GIB, True), (16 * GIB + 1, False)])
def test_fits(peak, fits):
  assert _cost(peak).fits == fits


def test_what_does_not_compile_does_not_fit():
  cost = costs.cost(PROGRAM, compiler.Compiled(False, 'out of memory: required 20G'), V3)
  assert not cost.fits
  assert output.lines(cost) == [
      'train: does not compile for v3:2x2, batch 4 per core: out of memory: required 20G']


@pytest.mark.parametrize('largest', [0, 1, 3, 4, 7, 8, 100, 1024])
@pytest.mark.parametrize('start', [1, 4])
def test_largest_batch(largest, start):
  tried = []

  def fits(batch):
    tried.append(batch)
    return batch <= largest

  assert costs.largest_batch(fits, start) == largest
  assert max(tried) <= 1024 and len(tried) == len(set(tried)) <= 21


@pytest.mark.parametrize('batch_size, largest, cores', [
    (512, 4, 128), (512, 3, 256), (512, 600, 1), (6, 4, 2), (7, 6, 7), (512, 0, 0)])
def test_smallest_cores(batch_size, largest, cores):
  assert costs.smallest_cores(batch_size, largest) == cores


def test_lines():
  cost = _cost(2 * GIB, flops=61.5e12, moved=90e9, loops_of_unknown_length=2,
               loops_of_unknown_start=1)
  text = '\n'.join(output.lines(cost, steps=7200, efficiency=0.5))
  assert 'fits: 2.00 of 16.00 GiB' in text
  assert '61.50 TFLOP, 90.00 GB moved, 683 FLOP/B: at least 1.00 s (arithmetic; ' in text
  assert '7,200 steps on 8 cores: 16 core-hours at the bound, 32 at 50% of its speed' in text
  assert output.lines(cost, steps=7200, price=4.0)[-2:] == [
      '  7,200 steps on 8 cores: 16 core-hours at the bound',
      '  at 4.00 per chip and hour, they cost 32 at the bound']
  assert '2 loops whose length depends on the data are counted once' in text
  assert 'added up' not in text
  summing = cost._replace(summed_bytes=3_000_000)
  assert '  3.00 MB added up over the 8 cores, not in the bound' in output.lines(summing)
  assert '1 loops whose start depends on the data are counted from their first turn: ' in text


def test_a_sweep_as_table_and_plot(tmp_path):
  rows = [(2, _cost(GIB, 1e12, 1e9)), (4, _cost(2 * GIB, 2e12, 1e9)),
          (8, costs.cost(PROGRAM, compiler.Compiled(False, 'out of memory'), V3))]
  lines = output.table('a.B.layers', rows).splitlines()
  assert lines[0].split()[:3] == ['layers', 'parameters', 'fits']
  assert lines[2].split() == ['4', '1,000', 'yes', '2.00', '2,000', '1.0', '0.0325']
  assert lines[3].split() == ['8', '1,000', 'no', 'out', 'of', 'memory']
  for name in ('plot.png', 'plot.svg'):
    output.plot(str(tmp_path / name), 'a.B.layers', rows)
    assert (tmp_path / name).stat().st_size > 5000
