"""What networks say of videos: over replicas, in float32, missing on another worker."""

import numpy as np
import pytest
import tensorflow as tf

from tests.evaluation import fakes
from tests.evaluation import runs
from tf_videogen.evaluation import extraction

I3D = runs.I3D


# --- batches and replicas ---


@pytest.mark.parametrize('count', [1, 5, 11])
def test_outputs_of_two_replicas_are_in_order(networks, cpu, two_replicas, count):
  video = fakes.videos(count)
  for strategy in (cpu, two_replicas):
    outputs = extraction.Extractor(strategy, [I3D], batch_size=2)(I3D, video)
    for name, expected in fakes.outputs(I3D, video).items():
      np.testing.assert_allclose(outputs[name], expected, rtol=1e-4, atol=1e-4)


def test_networks_multiply_in_float32(networks, cpu, monkeypatch):
  found, whole = [], fakes.Network.__call__

  def call(self, video):
    found.append(tf.config.experimental.tensor_float_32_execution_enabled())
    return whole(self, video)

  monkeypatch.setattr(fakes.Network, '__call__', call)
  extraction.Extractor(cpu, [I3D])(I3D, fakes.videos(2))
  assert found == [False] and tf.config.experimental.tensor_float_32_execution_enabled()


# --- networks ---


def test_what_another_worker_lacks_is_missing(networks, cpu, monkeypatch):
  monkeypatch.setattr(extraction.strategies, 'any_worker', lambda strategy: lambda here: True)
  missing = extraction.Extractor(cpu, [I3D]).missing
  assert missing[I3D].startswith('another worker lacks i3d_kinetics400; run there: ')
