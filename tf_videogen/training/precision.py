"""The precision of the computation: float32, or mixed_bfloat16 if the hardware supports it."""
import tensorflow as tf

from tf_videogen.training import strategies

PRECISIONS = ('auto', 'float32', 'mixed_bfloat16')


def _processor_has_bfloat16():
  try:
    with open('/proc/cpuinfo') as f:
      flags = f.read()
  except OSError:
    return False
  return 'avx512_bf16' in flags or 'amx_bf16' in flags


def _gpus_have_bfloat16():
  """Whether all GPUs have bfloat16 units: NVIDIA's since Ampere, compute capability 8.0."""
  details = [tf.config.experimental.get_device_details(gpu)
             for gpu in tf.config.list_physical_devices('GPU')]
  return all(gpu.get('compute_capability', (0, 0)) >= (8, 0) for gpu in details)


def resolve(precision, strategy):
  """Resolves 'auto' to 'mixed_bfloat16' if the devices have units for it, else to 'float32'.

  Such devices are TPUs, GPUs since Ampere, and CPUs with AVX512-BF16 or AMX-BF16.

  Args:
    precision: one of PRECISIONS. All but 'auto' are returned as they are.
    strategy: a tf.distribute.Strategy.

  Raises:
    ValueError: if the precision is unknown.
  """
  if precision not in PRECISIONS:
    raise ValueError(f'unknown precision {precision!r}; there are: {", ".join(PRECISIONS)}')
  if precision != 'auto':
    return precision
  if isinstance(strategy, tf.distribute.TPUStrategy):
    return 'mixed_bfloat16'
  has_units = _gpus_have_bfloat16 if strategies.on_accelerators(strategy) else (
      _processor_has_bfloat16)
  return 'mixed_bfloat16' if has_units() else 'float32'


def for_sampling(precision, strategy):
  """As `resolve`, but on CPUs 'auto' is 'float32'.

  XLA has no bfloat16 products for CPUs. Every step of a sampler would convert all weights to
  bfloat16 and back, which takes several times as long as the step itself.
  """
  if precision == 'auto' and not strategies.on_accelerators(strategy):
    return 'float32'
  return resolve(precision, strategy)


def use(precision, strategy):
  """Makes the resolved precision the policy of all Keras layers that are created from now on.

  Returns:
    The policy's name.
  """
  name = resolve(precision, strategy)
  tf.keras.mixed_precision.set_global_policy(name)
  return name
