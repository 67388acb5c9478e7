"""Which numbers to compute in: float32, or mixed_bfloat16 where the machine has units for it."""
import tensorflow as tf

PRECISIONS = ('auto', 'float32', 'mixed_bfloat16')


def _processor_has_bfloat16():
  try:
    with open('/proc/cpuinfo') as f:
      flags = f.read()
  except OSError:
    return False
  return 'avx512_bf16' in flags or 'amx_bf16' in flags


def resolve(precision, strategy):
  """'auto' -> 'mixed_bfloat16' on TPUs and on AVX512-BF16 or AMX processors, else 'float32'."""
  if precision not in PRECISIONS:
    raise ValueError(f'unknown precision {precision!r}; there are: {", ".join(PRECISIONS)}')
  if precision != 'auto':
    return precision
  on_tpu = isinstance(strategy, tf.distribute.TPUStrategy)
  return 'mixed_bfloat16' if on_tpu or _processor_has_bfloat16() else 'float32'


def use(precision, strategy):
  """Makes the resolved precision the policy of all Keras layers made from now on.

  Returns:
    The policy's name.
  """
  name = resolve(precision, strategy)
  tf.keras.mixed_precision.set_global_policy(name)
  return name
