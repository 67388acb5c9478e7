"""Flags: a default that depends on where a program runs, and values that the library has, too."""

from absl import flags
from absl.testing import flagsaver
import pytest

from tests import fake_tpu
from tf_videogen import building
from tf_videogen.evaluation import written_clips
from tf_videogen.launch import compare
from tf_videogen.launch import get_networks
from tf_videogen.launch import preflight
from tf_videogen.launch import shared_flags
from tf_videogen.launch import train
from tf_videogen.metrics import pretrained
from tf_videogen.training import strategies


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


@pytest.mark.parametrize('program, flag, values', [
    (compare, 'value_range', written_clips.RANGES), (get_networks, 'network', pretrained.KNOWN),
    (preflight, 'program', building.PROGRAMS)])
def test_values_are_those_of_the_library(program, flag, values):
  """They are written again: the library is not imported for --help."""
  assert program and list(flags.FLAGS[flag].parser.enum_values) == list(values)


def test_patience_is_that_of_the_library():
  assert train and flags.FLAGS['worker_timeout'].default == strategies.WORKER_TIMEOUT
