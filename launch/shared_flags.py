"""Flags that several programs have, each defined once; a program names those that it reads.

absl refuses a second definition when two programs are imported into one process, as tests do.
"""

from absl import flags

flags.DEFINE_multi_string(
    'gin_file', [], "A config, from the file system or the suite's gin/ folder; may be repeated.")
flags.DEFINE_multi_string(
    'gin_param', [], 'A binding that overrides the files, e.g. vqvae.VQVAE.hidden=64; may be '
    'repeated.')
flags.DEFINE_string('model_dir', None, 'Where checkpoints, logs, results and the config are.')
flags.DEFINE_string(
    'data_dir', None, 'Where prepared data sets are; by default what the environment names with '
    'TFDS_DATA_DIR, or else ~/tensorflow_datasets.')
flags.DEFINE_string('strategy', 'auto', 'auto, cpu, mirrored, multi_worker or tpu.')
flags.DEFINE_string('tpu', 'local', "local on a TPU VM, or a TPU's name.")
flags.disclaim_key_flags()  # so that `declare` speaks for the module that calls it


def declare(*names):
  """Makes shared flags show in the --help of the module that calls this."""
  for name in names:
    flags.declare_key_flag(name)
