"""What the tests of evaluations share."""

import types

import pytest

from tests.evaluation import fakes


@pytest.fixture
def networks(monkeypatch, tmp_path):
  """Tiny networks instead of I3D and C3D; `seen` counts the clips that each looked at."""
  fakes.install(monkeypatch, tmp_path / 'cache')
  return types.SimpleNamespace(
      cache=tmp_path / 'cache', seen=fakes.count_clips(monkeypatch))
