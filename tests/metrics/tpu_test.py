"""The networks of metrics compile for a TPU, with float32 products, by its own compiler."""

import pytest
import tensorflow as tf

from tf_videogen.metrics import networks
from tf_videogen.preflight import compiler
from tf_videogen.preflight import hardware
from tf_videogen.preflight import programs

BATCH = 8


@pytest.mark.slow
@pytest.mark.parametrize('name', ['i3d_kinetics400', 'c3d_ucf101'])
def test_compiles(name):
  try:
    compiler.environment()
  except compiler.Unavailable as error:
    pytest.skip(str(error))
  network = networks.FeatureNetwork(networks.RANDOM + name)
  inputs = {'video': tf.TensorSpec([BATCH, 16, 64, 64, 3], tf.uint8)}
  program = programs.export('evaluate', lambda batch: network(batch['video']), inputs, BATCH, 0)
  v3 = hardware.topology('v3:2x2')
  compiled = compiler.compile_program(program, v3)
  assert compiled.compiled, compiled.error
  assert compiled.peak_bytes < 4 << 30  # of 16 GiB
