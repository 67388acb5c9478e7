"""Prose of pages, docstrings, comments, messages and configs keeps clear of habits hard to read."""

from tests.docs import habits


def test_no_habit_comes_back():
  assert not [f'{place}: {there!r}: write {habits.HABITS[name].better}'
              for place, name, there in habits.found()]


def test_habits_are_found():
  """Each pattern has a text that it finds, and one that it leaves."""
  there = {
      'a for per': ('two clips a core', 'two clips per core, a core'),
      'bare of': ('  channels: of the state.', '  channels: number of channels of the state.'),
      'bare None': ('frames; None: all.', 'frames; all if None.'),
      'what as a noun': ('the mean of what is drawn', 'it says what is drawn'),
      'every how manieth': ('every how manieth frame', 'every N-th frame'),
      'of whose': ('Splits of whose list no video is there', 'Splits without a list'),
      'to themselves': ('two cores to themselves', 'two idle cores')}
  assert there.keys() == habits.HABITS.keys()
  for name, (bad, good) in there.items():
    assert habits.HABITS[name].pattern.search(bad), name
    assert not habits.HABITS[name].pattern.search(good), name


def test_prose_is_found():
  """Docstrings, comments and messages of Python; of a page, all but code."""
  module = '"""One thing."""\nx = "no"  # two\nraise ValueError(f"three {x} four")\n'
  assert {text.strip() for _, text in habits.of_python(module)} == {
      'One thing.', 'two', 'three', 'four'}
  (_, page), = habits.of_page('One `a core`.\n```\ntwo clips a core\n```\nthree\n')
  assert 'core' not in page and page.count('\n') == 5
