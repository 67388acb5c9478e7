"""Compiles an HLO module with the TPU compiler and prints one JSON object.

    python compiler_process.py step.hlo.pb v3:2x2

Runs in the environment of `compiler_requirements.txt`, which has neither TensorFlow nor this
package.
"""

import json
import math
import os
import re
import sys
import time

os.environ.update(TPU_SKIP_MDS_QUERY='1', TPU_WORKER_HOSTNAMES='localhost', JAX_PLATFORMS='cpu',
                  TPU_ACCELERATOR_TYPE='v3-8', ALLOW_MULTIPLE_LIBTPU_LOAD='1',
                  TPU_STDERR_LOG_LEVEL='3', TPU_MIN_LOG_LEVEL='3', TF_CPP_MIN_LOG_LEVEL='3')


def compile_hlo(serialized, topology_name):
  """Compiles a serialized HLO module for one core; returns the executable."""
  # JAX has no public way from HLO to an executable.
  import numpy as np  # pylint: disable=g-import-not-at-top
  from jax._src.interpreters import mlir as jax_mlir
  from jax._src.lib import xla_client
  from jax._src.lib.mlir import ir
  from jax.experimental import topologies
  device = topologies.get_topology_desc(platform='tpu', topology_name=topology_name).devices[0]
  computation = xla_client.XlaComputation(serialized)
  text = xla_client._xla.mlir.xla_computation_to_mlir_module(computation)
  text = text.decode() if isinstance(text, bytes) else text
  # StableHLO has no copies that only change the layout. The compiler chooses layouts anew.
  text = re.sub(r'mhlo\.copy (%\S+) : (tensor<[^>]*>)', r'stablehlo.reshape \1 : (\2) -> \2', text)
  context = jax_mlir.make_ir_context()
  with context, ir.Location.unknown(context):
    module = ir.Module.parse(text)
  options = xla_client.CompileOptions()
  options.num_replicas = options.num_partitions = 1
  options.device_assignment = xla_client.DeviceAssignment.create(np.array([[device.id]]))
  return device.client.compile(
      module, executable_devices=xla_client.DeviceList((device,)), compile_options=options)


class LoopCosts:
  """FLOPs and bytes of a compiled module. The body of a loop counts as often as it runs.

  XLA's own analysis counts the body of a loop once. Here every body is analyzed as a module of its
  own, and its cost is multiplied by the loop's trip count.

  Args:
    text: the module as HLO text.
    analyze: function that returns XLA's analysis of such a text, a dict.

  Attributes:
    entry: name of the module's entry computation.
    unknown: names of the loops whose trip count is unknown. Their bodies count once.
    at_most: names of the loops whose start depends on the data. They count from zero on.
  """

  def __init__(self, text, analyze):
    header, self._body = text.split('\n', 1)
    self._header = re.match(r'HloModule [^\s,]+', header).group(0)
    self._analyze = analyze
    self._computations, self.entry = {}, None
    for match in re.finditer(r'^(ENTRY )?%(\S+) \(.*?^}', self._body, re.MULTILINE | re.DOTALL):
      self._computations[match.group(2)] = match.group(0).splitlines()[1:]
      if match.group(1):
        self.entry = match.group(2)
    self._once, self._totals = {}, {}
    self.unknown = []
    self.at_most = []

  def once(self, computation):
    """XLA's analysis of a computation, loop bodies once: a dict of 'flops', 'bytes accessed'."""
    if computation not in self._once:
      cost = self._analyze(self._with_entry(computation))
      self._once[computation] = {key: cost.get(key, 0.0) for key in ('flops', 'bytes accessed')}
    return dict(self._once[computation])

  def _with_entry(self, computation):
    """The module's text with another computation as its entry."""
    body = self._body.replace('\nENTRY %', '\n%')
    if body.startswith('ENTRY %'):
      body = body[len('ENTRY '):]
    text = re.sub(rf'^%{re.escape(computation)} \(', f'ENTRY %{computation} (', body, count=1,
                  flags=re.MULTILINE)
    return f'{self._header}\n{text}'

  def total(self, computation=None):
    """The same with the body of each loop as often as it runs; of the entry by default."""
    computation = computation or self.entry
    if computation not in self._totals:
      cost = self.once(computation)
      for line, condition, body in self._loops(computation):
        once, total = self.once(body), self.total(body)
        trips = self._trips(computation, line, condition, body)
        for key in cost:
          cost[key] += trips * total[key] - once[key]
      for branches in self._conditionals(computation):  # XLA counts the costlier branch
        for key in cost:
          cost[key] += (max(self.total(branch)[key] for branch in branches)
                        - max(self.once(branch)[key] for branch in branches))
      self._totals[computation] = cost
    return self._totals[computation]

  def _loops(self, computation):
    """Yields (line, condition, body) of each loop of a computation."""
    for line in self._computations.get(computation, ()):
      if ' while(' in line:
        yield (line, re.search(r'condition=%([^\s,)}]+)', line).group(1),
               re.search(r'body=%([^\s,)}]+)', line).group(1))

  def _conditionals(self, computation):
    """Yields the names of the branches of each conditional of a computation."""
    for line in self._computations.get(computation, ()):
      if ' conditional(' in line:
        several = re.search(r'branch_computations={([^}]*)}', line)
        yield re.findall(r'%([^\s,}]+)', several.group(1)) if several else re.findall(
            r'(?:true|false)_computation=%([^\s,)}]+)', line)

  def _instruction(self, computation, name):
    """The line that defines a name."""
    return self._line(computation, rf'\s*(ROOT )?%{re.escape(name)} = ')

  def _root(self, computation):
    return self._line(computation, r'\s*ROOT ')

  def _line(self, computation, start):
    """The first line that matches `start`, without metadata; '' if there is none."""
    for line in self._computations[computation]:
      if re.match(start, line):
        return line.split(', metadata=')[0].split(', backend_config=')[0]
    return ''

  def _operands(self, line, opcode):
    found = re.search(rf' {opcode}\((.*?)\)', line)
    return re.findall(r'%([^\s,)]+)', found.group(1)) if found else []

  def _constant(self, computation, name):
    """The integer that a name stands for, or None; follows copies and counters of loops."""
    line = self._instruction(computation, name)
    found = re.search(r' constant\((-?\d+)\)', line)
    if found:
      return int(found.group(1))
    found = re.search(r' get-tuple-element\(%(\S+?)\), index=(\d+)', line)
    if found:
      return self._counted(computation, found.group(1), int(found.group(2)))
    for opcode in ('copy', 'convert', 'bitcast'):
      operands = self._operands(line, opcode)
      if operands:
        return self._constant(computation, operands[0])
    return None

  def _counted(self, computation, loop, index):
    """The value of a loop's counter after the loop, or None if it is unknown.

    The loop of a gradient runs as often as its forward loop, and compares with this counter.
    """
    for line, condition, body in self._loops(computation):
      if re.match(rf'\s*(ROOT )?%{re.escape(loop)} = ', line):
        trips = self._known_trips(computation, line, condition, body)
        initial = self._operands(
            self._instruction(computation, self._operands(line, 'while')[0]), 'tuple')
        carried = self._operands(self._root(body), 'tuple')
        if trips is None or not index < min(len(initial), len(carried)):
          return None
        start = self._constant(computation, initial[index])
        added = self._operands(self._instruction(body, carried[index]), 'add')
        steps = [self._constant(body, name) for name in added if self._index(body, name) != index]
        return None if start is None or len(steps) != 1 or steps[0] is None else (
            start + trips * steps[0])
    return None

  def _index(self, computation, name):
    """The index of the element of the loop's tuple that a name stands for, or None."""
    line = self._instruction(computation, name)
    if self._operands(line, 'copy'):
      return self._index(computation, self._operands(line, 'copy')[0])
    found = re.search(r' get-tuple-element\(.*?\), index=(\d+)', line)
    return int(found.group(1)) if found else None

  def _trips(self, outer, line, condition, body):
    """The trip count of a loop, or an upper bound of it; 1 if it is unknown."""
    name = re.match(r'\s*(?:ROOT )?%(\S+)', line).group(1)
    trips = self._known_trips(outer, line, condition, body)
    if trips is not None:
      return trips
    trips = self._known_trips(outer, line, condition, body, otherwise=0)
    if trips is not None:
      self.at_most.append(name)
      return trips
    self.unknown.append(name)
    return 1

  def _known_trips(self, outer, line, condition, body, otherwise=None):
    """The trip count of a loop `for (i = start; i < end; i += step)`, or None if it is unknown.

    `otherwise` replaces a start that is not a constant.
    """
    known = re.search(r'"known_trip_count":\{"n":"(\d+)"', line)
    if known:
      return int(known.group(1))
    initial = self._operands(self._instruction(outer, self._operands(line, 'while')[0]), 'tuple')

    def value(computation, name):
      """A constant, or an element of the loop's tuple that starts as one and never changes."""
      constant = self._constant(computation, name)
      index = self._index(computation, name) if constant is None else None
      if index is None or index >= len(initial):
        return constant
      carried = self._operands(self._root(body), 'tuple')
      unchanged = len(carried) > index and self._index(body, carried[index]) == index
      return self._constant(outer, initial[index]) if unchanged else None

    counts = [self._trips_of(value, outer, initial, condition, line_of, body, otherwise)
              for line_of in self._comparisons(condition, self._root(condition))]
    return None if None in counts else min(counts)

  def _counter(self, value, computation, name):
    """(index of an element of the loop's tuple, constant added to it), or else (None, 0)."""
    index = self._index(computation, name)
    if index is not None:
      return index, 0
    added = self._operands(self._instruction(computation, name), 'add')
    constants = [value(computation, name) for name in added]
    for name, constant in zip(added, reversed(constants)):
      index = self._index(computation, name)
      if index is not None and constant is not None:
        return index, constant
    return None, 0

  def _comparisons(self, condition, line):
    """The comparisons of a condition: one, or several that are joined by `and`."""
    joined = self._operands(line, 'and')
    if not joined:
      return [line]
    return [comparison for name in joined
            for comparison in self._comparisons(condition, self._instruction(condition, name))]

  def _trips_of(self, value, outer, initial, condition, comparison, body, otherwise):
    """The trip count of a loop with one comparison `counter < end`, None if it is unknown."""
    compared = self._operands(comparison, 'compare')
    counter, offset = self._counter(value, condition, compared[0]) if compared else (None, 0)
    direction = re.search(r'direction=(\w+)', comparison)
    if counter is None or counter >= len(initial) or direction.group(1) not in ('LT', 'LE', 'NE'):
      return None
    end, start = value(condition, compared[1]), self._constant(outer, initial[counter])
    start = otherwise if start is None else start
    carried = self._operands(self._root(body), 'tuple')
    added = self._operands(self._instruction(body, carried[counter]), 'add') if carried else []
    steps = [value(body, name) for name in added if self._index(body, name) != counter]
    if None in (end, start) or len(steps) != 1 or not steps[0]:
      return None
    span = end - offset - start + (direction.group(1) == 'LE')
    return max(0, math.ceil(span / steps[0]))


def describe(executable):
  """Memory, FLOPs and bytes of an executable on one core: a dict, see `compiler.Compiled`."""
  from jax._src.lib import xla_client  # pylint: disable=g-import-not-at-top
  import jax
  import jaxlib._hlo as hlo
  client = jax.devices('cpu')[0].client  # analyzes any module; a TPU's client needs a TPU for it
  analyze = lambda text: xla_client._xla.hlo_module_cost_analysis(
      client, hlo.hlo_module_from_text(text))
  costs = LoopCosts(executable.hlo_modules()[0].to_string(), analyze)
  once, total = costs.once(costs.entry), costs.total()
  own = executable.cost_analysis()  # the TPU compiler's analysis, with every body once
  own = own[0] if isinstance(own, (list, tuple)) else own
  loops = {key: total[key] / max(once[key], 1.0) for key in total}
  memory = executable.get_compiled_memory_stats()
  return {
      'peak_bytes': (memory.argument_size_in_bytes + memory.output_size_in_bytes
                     - memory.alias_size_in_bytes + memory.temp_size_in_bytes
                     + memory.generated_code_size_in_bytes),
      'argument_bytes': memory.argument_size_in_bytes,
      'temporary_bytes': memory.temp_size_in_bytes,
      'code_bytes': memory.generated_code_size_in_bytes,
      'flops': own.get('flops', 0.0) * loops['flops'],
      'bytes_accessed': own.get('bytes accessed', 0.0) * loops['bytes accessed'],
      'loops_of_unknown_length': len(costs.unknown),
      'loops_of_unknown_start': len(costs.at_most),
  }


def main(path, topology_name):
  """Prints {'compiled': True, ...} or {'compiled': False, 'error': ...}."""
  with open(path, 'rb') as f:
    serialized = f.read()
  start = time.time()
  try:
    executable = compile_hlo(serialized, topology_name)
  except Exception as error:  # the compiler's own words are the report
    print(json.dumps({'compiled': False, 'error': str(error).strip()[:20000]}))
    return
  seconds = round(time.time() - start, 1)
  print(json.dumps({'compiled': True, 'compile_seconds': seconds, **describe(executable)}))


if __name__ == '__main__':
  main(*sys.argv[1:])
