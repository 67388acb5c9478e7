"""The bar of training, and the rows of training.csv that come from it."""

import io
import sys
import time

import orbit
import pytest

from tf_videogen.training import progress


@pytest.fixture(name='clock')
def _clock(monkeypatch):
  """A clock that stands still until its only entry is changed."""
  now = [1000.0]
  monkeypatch.setattr(time, 'time', lambda: now[0])
  return now


def test_rates_leave_out_what_is_not_training(clock):
  with progress.Progress(10, 100) as bar:
    clock[0] += 2
    bar.move(20)
    assert bar.row({'loss': 0.5, 'nmse': 0.25}) == {
        'loss': 0.5, 'nmse': 0.25, 'steps_per_second': pytest.approx(5)}
    clock[0] += 50
    bar.skip_time()
    clock[0] += 1
    bar.move(23)
    assert bar.row({'loss': 1})['steps_per_second'] == pytest.approx(3)


def test_lines_now_and_then(clock, capsys):
  with progress.Progress(0, 40) as bar:
    for step in range(10, 50, 10):
      clock[0] += 15
      bar.move(step)
      print('what a model prints')
      orbit.controller._log('what Orbit prints')
      bar.row({'loss': 1 / step, 'learning_rate': 1e-4})
  print('another')
  captured = capsys.readouterr()
  rates = 'learning_rate 0.0001, steps_per_second 0.6667\n'
  mine = 'what a model prints\n'
  assert captured.out == (
      f'{mine}step 10 of 40: loss 0.1, {rates}{mine}{mine}step 30 of 40: loss 0.03333, {rates}'
      f'{mine}step 40 of 40: loss 0.025, {rates}another\n')
  assert '40/40' in captured.err


def test_lines_stand_above_the_bar(clock, monkeypatch):
  """Where both go to one terminal or file, a bar is cleared before a line."""
  terminal = io.StringIO()
  monkeypatch.setattr(sys, 'stdout', terminal)
  monkeypatch.setattr(sys, 'stderr', terminal)
  with progress.Progress(0, 10) as bar:
    clock[0] += 1
    bar.move(5)
    bar.say('a line')
  assert '\r' in terminal.getvalue().partition('a line')[0][-3:]


def test_of_several_workers_one_prints(capsys):
  with progress.Progress(0, 1, prints=False) as bar:
    bar.move(1)
    bar.row({'loss': 1})
    bar.say('a line')
  assert not capsys.readouterr().out
