"""Flags whose default depends on where a program runs."""

from absl import flags
from absl.testing import flagsaver
import pytest

from tests import fake_tpu
from tf_videogen.launch import shared_flags


@pytest.mark.parametrize('asked, cores, found', [
    (None, 0, 8), (None, 1, 8), (None, 2, 8), (None, 8, 32), (3, 8, 3)])
def test_clips_at_once(monkeypatch, cpu, asked, cores, found):
  if not flags.FLAGS.is_parsed():
    flags.FLAGS(['program'])
  strategy = fake_tpu.traced(1) if cores else cpu
  if cores:
    monkeypatch.setattr(type(strategy), 'num_replicas_in_sync', cores)
  with flagsaver.flagsaver(batch_size=asked):
    assert shared_flags.batch_size(strategy) == found
    assert shared_flags.batch_size() == (asked or 8)
