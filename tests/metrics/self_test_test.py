"""The self-test notices whatever changes the outputs of FVD's network."""

import hashlib

import numpy as np
import pytest

from tf_videogen.metrics import networks
from tf_videogen.metrics import self_test


def test_the_clip_is_the_same_everywhere():
  clip = self_test.clip()
  assert clip.shape == (1, 9, 40, 56, 3) and clip.dtype == np.uint8
  assert hashlib.sha256(clip.tobytes()).hexdigest()[:16] == '391996d288a81b58'


def test_the_network_is_as_it_should_be():
  self_test.check()


@pytest.mark.slow
@pytest.mark.parametrize('change', list(networks.CHANGES))
def test_every_change_is_noticed(change):
  """Slow for seven networks of full size."""
  found = self_test.outputs(f'random:i3d_kinetics400+{change}')
  assert self_test.error(found) > 3 * self_test.TOLERANCE


def test_a_wrong_output_is_told(monkeypatch):
  monkeypatch.setattr(self_test, 'outputs', lambda: np.array(self_test.GOLDEN) * 1.01)
  with pytest.raises(ValueError, match='I3D with random weights gives other outputs'):
    self_test.check()
