"""Programs of one core: what they hold, and what tells them apart."""

import functools

import pytest
import tensorflow as tf
from tensorflow.compiler.xla.service import hlo_pb2

from tf_videogen import building
from tf_videogen.layers import conditional_batch_norm
from tf_videogen.preflight import programs


@pytest.fixture(autouse=True)
def _keep_policy():
  yield
  tf.keras.mixed_precision.set_global_policy('float32')


def _export(tiny, name='train', batch=2, **kwargs):
  function, inputs, parameters = building.program(
      tiny.experiment(**kwargs), tiny.clips().example_spec(), name, batch)
  return programs.export(name, function, inputs, batch, parameters)


_exported = functools.cache(_export)  # what several tests look at


def test_the_same_program_has_the_same_digest(tiny):
  """Of training steps: fingerprint_test.py."""
  first, again = _exported(tiny, 'evaluate'), _export(tiny, 'evaluate')
  assert first.digest == again.digest and first.hlo != again.hlo
  assert _export(tiny, 'evaluate', batch=4).digest != first.digest


def test_a_training_step_updates_in_place(tiny):
  program = _exported(tiny)
  module = hlo_pb2.HloModuleProto.FromString(program.hlo)
  assert 0 < program.parameters < 5000
  assert len(module.input_output_alias.entries) > 2 * 20  # variables, and Adam's two of each
  shapes = [tuple(p.dimensions) for p in module.host_program_shape.parameters]
  assert (2, 4, 8, 8, 1) in shapes


def test_what_cores_add_up(tiny):
  """Gradients; counts, sums and candidates of 8 codes of 4 numbers; three terms of the loss."""
  program = _exported(tiny)
  assert program.summed_bytes == 4 * (program.parameters + 8 + 8 * 4 + 8 * 4 + 3)
  assert _exported(tiny, 'evaluate').summed_bytes == 0


def test_a_tpu_computes_in_bfloat16_by_itself(tiny):
  assert b'bf16' not in _text(_exported(tiny)) + _text(_exported(tiny, 'evaluate'))
  assert b'bf16' in _text(_export(tiny, 'evaluate', precision='auto'))


def _text(program):
  module = hlo_pb2.HloModuleProto.FromString(program.hlo)
  types = {i.shape.element_type for c in module.computations for i in c.instructions}
  return b'bf16' if 16 in types else b'f32'  # 16 is BF16 in XLA's PrimitiveType


def test_evaluation_and_sampling_have_programs(tiny):
  assert _exported(tiny, 'evaluate').batch == 2
  prior = lambda: tiny.prior('none', classes=3)
  sampler = _export(tiny, 'sample', task=prior)
  module = hlo_pb2.HloModuleProto.FromString(sampler.hlo)
  opcodes = {i.opcode for c in module.computations for i in c.instructions}
  assert 'while' in opcodes and not module.input_output_alias.entries


def test_a_piece_of_a_recorded_pass_has_a_program(tiny):
  """It writes all standing statistics, and nothing else."""
  config, built = tiny.cascade_experiment(1), []
  keep = lambda *args: built.append(config_task()) or built[-1]
  config_task, config.task = config.task, keep
  function, inputs, parameters = building.program(config, config.clips.example_spec(), 'record', 2)
  program = programs.export('record', function, inputs, 2, parameters)
  module = hlo_pb2.HloModuleProto.FromString(program.hlo)
  generator = built[0].model.averaged_generator
  standing = [variable for norm in conditional_batch_norm.norms(generator)
              for variable in norm.standing.variables]
  written = {tuple(entry.output_shape_index) for entry in module.input_output_alias.entries}
  assert len(written) == len(standing) > 8
  assert program.batch == 2 and program.parameters == parameters


@pytest.mark.parametrize('name, message', [
    ('sample', 'VQVAETask has nothing to sample from'),
    ('export', "unknown program 'export'; there are: train, evaluate, sample, record"),
    ('record', 'VQVAETask has no standing statistics to record')])
def test_errors(tiny, name, message):
  with pytest.raises(ValueError, match=message):
    _export(tiny, name)
