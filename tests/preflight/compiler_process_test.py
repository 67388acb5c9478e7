"""Costs of loops: bodies count as often as they run."""

import re

import pytest

from tf_videogen.preflight import compiler_process

# An outer loop of 6, whose body has a loop of 3: the compiler's way to write `for`.
LOOPS = '''HloModule m, entry_computation_layout={()->f32[]}

%inner_body (p: (s32[], f32[])) -> (s32[], f32[]) {
  %p = (s32[], f32[]) parameter(0)
  %i = s32[] get-tuple-element(%p), index=0
  %one = s32[] constant(1)
  %next = s32[] add(%i, %one)
  %x = f32[] get-tuple-element(%p), index=1
  ROOT %t = (s32[], f32[]) tuple(%next, %x)
}

%inner_condition (q: (s32[], f32[])) -> pred[] {
  %q = (s32[], f32[]) parameter(0)
  %j = s32[] get-tuple-element(%q), index=0
  %three = s32[] constant(3)
  ROOT %c = pred[] compare(%j, %three), direction=LT
}

%outer_body (r: (s32[], f32[], s32[])) -> (s32[], f32[], s32[]) {
  %r = (s32[], f32[], s32[]) parameter(0)
  %k = s32[] get-tuple-element(%r), index=0
  %two = s32[] get-tuple-element(%r), index=2
  %k2 = s32[] add(%k, %two), metadata={op_name="while/add"}
  %y = f32[] get-tuple-element(%r), index=1
  %zero = s32[] constant(0)
  %start = s32[] copy(%zero)
  %init = (s32[], f32[]) tuple(%start, %y)
  %w = (s32[], f32[]) while(%init), condition=%inner_condition, body=%inner_body
  %z = f32[] get-tuple-element(%w), index=1
  ROOT %u = (s32[], f32[], s32[]) tuple(%k2, %z, %two)
}

%outer_condition (s: (s32[], f32[], s32[])) -> pred[] {
  %s = (s32[], f32[], s32[]) parameter(0)
  %l = s32[] get-tuple-element(%s), index=0
  %offset = s32[] constant(100)
  %shifted = s32[] add(%l, %offset)
  %end = s32[] constant(112)
  %below = pred[] compare(%shifted, %end), direction=LT
  %many = s32[] constant(1000)
  %below_many = pred[] compare(%l, %many), direction=LT
  ROOT %both = pred[] and(%below, %below_many)
}

ENTRY %main (a: f32[]) -> f32[] {
  %a = f32[] parameter(0)
  %nought = s32[] constant(0)
  %step = s32[] constant(2)
  %begin = (s32[], f32[], s32[]) tuple(%nought, %a, %step)
  %v = (s32[], f32[], s32[]) while(%begin), condition=%outer_condition, body=%outer_body
  ROOT %result = f32[] get-tuple-element(%v), index=1
}
'''
OWN = {'inner_body': 1000.0, 'outer_body': 10.0, 'main': 1.0}
CALLS = {'main': 'outer_body', 'outer_body': 'inner_body'}


def _analyze(text):
  """As XLA does: the entry's own operations, and those of the bodies it calls, once."""
  name = re.search(r'^ENTRY %(\S+) ', text, re.MULTILINE).group(1)
  assert text.count('ENTRY ') == 1
  flops = OWN[name]
  while name in CALLS:
    name = CALLS[name]
    flops += OWN[name]
  return {'flops': flops, 'bytes accessed': 2 * flops}


def test_nested_loops_multiply():
  costs = compiler_process.LoopCosts(LOOPS, _analyze)
  assert costs.once('main')['flops'] == 1011
  total = costs.total()
  assert total['flops'] == 1 + 6 * (10 + 3 * 1000) and total['bytes accessed'] == 2 * total['flops']
  assert not costs.unknown and not costs.at_most


@pytest.mark.parametrize('old, new', [
    ('%three = s32[] constant(3)', '%three = s32[] custom-call()'),  # an end that data tells
    ('add(%i, %one)', 'multiply(%i, %one)')])
def test_a_length_that_data_tells_counts_once(old, new):
  assert old in LOOPS
  costs = compiler_process.LoopCosts(LOOPS.replace(old, new), _analyze)
  assert costs.total()['flops'] == 1 + 6 * (10 + 1000)
  assert costs.unknown == ['w'] and not costs.at_most


@pytest.mark.parametrize('branches', [
    'branch_computations={%outer_body, %cheap}',
    'true_computation=%cheap, false_computation=%outer_body'])
def test_loops_in_branches_multiply(monkeypatch, branches):
  """A conditional counts its dearer branch, whose loops count as often as they run."""
  monkeypatch.setitem(OWN, 'cheap', 5.0)
  text = re.sub(r'while\(%begin\), condition=%outer_condition, body=%outer_body',
                f'conditional(%p, %begin, %begin), {branches}', LOOPS)
  assert text != LOOPS
  costs = compiler_process.LoopCosts(text + '\n%cheap (c: f32[]) -> f32[] {\n}\n', _analyze)
  assert costs.total()['flops'] == 1 + 10 + 3 * 1000


def test_a_beginning_that_data_tells_is_zero():
  text = LOOPS.replace('%start = s32[] copy(%zero)', '%start = s32[] custom-call()')
  costs = compiler_process.LoopCosts(text, _analyze)
  assert costs.total()['flops'] == 1 + 6 * (10 + 3 * 1000)
  assert costs.at_most == ['w'] and not costs.unknown


def test_a_known_trip_count_is_believed():
  line = 'body=%inner_body'
  text = LOOPS.replace(line, line + ', backend_config={"known_trip_count":{"n":"5"}}')
  assert compiler_process.LoopCosts(text, _analyze).total()['flops'] == 1 + 6 * (10 + 5 * 1000)


def test_a_loop_as_long_as_another_one():
  """A gradient's: its end is the counter of the loop that it is of, which ended at 3."""
  text = LOOPS.replace(
      '''  %zero = s32[] constant(0)
  %start = s32[] copy(%zero)
  %init = (s32[], f32[]) tuple(%start, %y)
  %w = (s32[], f32[]) while(%init), condition=%inner_condition, body=%inner_body
''', '''  %zero = s32[] constant(0)
  %start = s32[] copy(%zero)
  %init = (s32[], f32[]) tuple(%start, %y)
  %w = (s32[], f32[]) while(%init), condition=%inner_condition, body=%inner_body
  %count = s32[] get-tuple-element(%w), index=0
  %again = (s32[], f32[], s32[]) tuple(%start, %y, %count)
  %g = (s32[], f32[], s32[]) while(%again), condition=%as_often, body=%gradient_body
''') + '''
%gradient_body (p2: (s32[], f32[], s32[])) -> (s32[], f32[], s32[]) {
  %p2 = (s32[], f32[], s32[]) parameter(0)
  %i2 = s32[] get-tuple-element(%p2), index=0
  %one2 = s32[] constant(1)
  %next2 = s32[] add(%i2, %one2)
  %x2 = f32[] get-tuple-element(%p2), index=1
  %n2 = s32[] get-tuple-element(%p2), index=2
  ROOT %t2 = (s32[], f32[], s32[]) tuple(%next2, %x2, %n2)
}

%as_often (q2: (s32[], f32[], s32[])) -> pred[] {
  %q2 = (s32[], f32[], s32[]) parameter(0)
  %j2 = s32[] get-tuple-element(%q2), index=0
  %m2 = s32[] get-tuple-element(%q2), index=2
  ROOT %c2 = pred[] compare(%j2, %m2), direction=LT
}
'''
  own = {**OWN, 'gradient_body': 200.0}
  calls = {'main': ['outer_body'], 'outer_body': ['inner_body', 'gradient_body']}

  def flops(name):
    return own[name] + sum(map(flops, calls.get(name, ())))

  def analyze(text):
    once = flops(re.search(r'^ENTRY %(\S+) ', text, re.MULTILINE).group(1))
    return {'flops': once, 'bytes accessed': once}

  costs = compiler_process.LoopCosts(text, analyze)
  assert costs.total()['flops'] == 1 + 6 * (10 + 3 * 1000 + 3 * 200)
  assert not costs.unknown
