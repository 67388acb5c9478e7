"""The bar of training, and the rows of training.csv that come from it."""

import time

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


def test_printing_goes_through(capsys):
  with progress.Progress(0, 10) as bar:
    print('a line')
    bar.move(10)
  print('another')
  captured = capsys.readouterr()
  assert captured.out == 'a line\nanother\n'
  assert '10/10' in captured.err
