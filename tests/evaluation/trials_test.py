"""An evaluation that was stopped goes on with the next trial, and ends with the same numbers."""

import os

import numpy as np
import pytest

from tests.evaluation import fakes
from tf_videogen.data import video_io
from tf_videogen.evaluation import measures
from tf_videogen.evaluation import protocols
from tf_videogen.evaluation import records
from tf_videogen.evaluation import run


class Killed(BaseException):
  """What no handler catches."""


class Stopping(fakes.Noise):
  """A maker that stops after some batches; `calls` counts them."""

  def __init__(self, after=None):
    super().__init__(conditioning_frames=1)
    self.after, self.calls = after, 0

  def sample(self, batch, seed):
    if self.calls == self.after:
      raise Killed
    self.calls += 1
    return super().sample(batch, seed)


def _run(folder, cpu, make, identity=('config', 3)):
  of_measure = [measures.FrechetDistance(frames=9, windows='all'),
                measures.FrechetDistance('r_fvd', between=('real', 'reconstructed'), frames=9),
                measures.Similarity(), measures.InceptionScore(splits=2)]
  protocol = protocols.Protocol('p', of_measure, trials=4, seed=5)
  kept = records.Trials(str(folder), 'p', list(identity))
  found = run.run(protocol, fakes.Source(fakes.videos(12, 11)), make, cpu, 8, kept=kept)
  return found, kept


def _same(a, b):
  assert [value.metric for value in a.values] == [value.metric for value in b.values]
  for x, y in zip(a.values, b.values):
    np.testing.assert_array_equal([x.value, x.spread], [y.value, y.spread], x.metric)
    assert (x.examples, x.network, x.note) == (y.examples, y.network, y.note)
  assert a.curves.keys() == b.curves.keys() and a.warnings == b.warnings
  for key, (axis, curve) in a.curves.items():
    assert axis == b.curves[key][0]
    np.testing.assert_array_equal(curve, b.curves[key][1])


def test_goes_on_with_the_next_trial(networks, cpu, tmp_path, capsys):
  unbroken, kept = _run(tmp_path / 'unbroken', cpu, Stopping())
  with pytest.raises(Killed):
    _run(tmp_path / 'stopped', cpu, Stopping(after=5))  # two batches a trial: in the third one
  make = Stopping()
  found, kept = _run(tmp_path / 'stopped', cpu, make)
  assert make.calls == 4  # two trials
  assert '2 trials are done already' in capsys.readouterr().out
  _same(found, unbroken)
  videos = np.load(tmp_path / 'stopped' / 'evaluations' / 'p' / 'videos.npz')
  np.testing.assert_array_equal(videos['samples'], unbroken.gallery['samples'])
  assert videos['conditioning_frames'] == 1
  kept.remove()
  kept.remove()
  assert os.listdir(tmp_path / 'stopped' / 'evaluations' / 'p') == ['videos.npz']


def test_all_trials_done_and_only_the_writing_lost(networks, cpu, tmp_path):
  unbroken, _ = _run(tmp_path, cpu, Stopping())
  make = Stopping(after=0)
  found, _ = _run(tmp_path, cpu, make)
  assert make.calls == 0
  _same(found, unbroken)


@pytest.mark.parametrize('identity', [('other config', 3), ('config', 4)])
def test_another_evaluation_starts_anew(networks, cpu, tmp_path, identity):
  _run(tmp_path, cpu, Stopping())
  make = Stopping()
  _run(tmp_path, cpu, make, identity)
  assert make.calls == 8


def test_other_videos_start_anew(networks, cpu, tmp_path, monkeypatch):
  _run(tmp_path, cpu, Stopping())
  monkeypatch.setattr(fakes.Source, 'identity', lambda self: ['others'])
  make = Stopping()
  _run(tmp_path, cpu, make)
  assert make.calls == 8


def test_a_damaged_file_starts_anew(networks, cpu, tmp_path):
  unbroken, kept = _run(tmp_path, cpu, Stopping())
  path = tmp_path / 'evaluations' / 'p' / 'trials.json'
  path.write_text(path.read_text()[:100])
  make = Stopping()
  found, _ = _run(tmp_path, cpu, make)
  assert make.calls == 8
  _same(found, unbroken)


def test_videos_of_an_earlier_run_are_replaced(networks, cpu, tmp_path):
  path = tmp_path / 'evaluations' / 'p' / 'videos.npz'
  video_io.write_npz(str(path), {'samples': fakes.videos(2, 4)})
  _run(tmp_path, cpu, Stopping())
  assert np.load(path)['samples'].shape == (8, 11, 8, 8, 3)
