"""Flags that several programs share, each defined once. A program names those that it reads.

absl refuses a second definition when two programs are imported into one process, as tests do.
"""

from absl import flags
from tf_videogen.launch import lazy

with lazy.imports():
  from tf_videogen.training import strategies


UNPREPARED = ('clip_shape', 'actions')
# Flags that are options of sampling, {flag: name of the option}.
SAMPLING = {'temperature': 'temperature', 'truncation': 'truncation', 'top_k': 'top_k',
            'top_p': 'top_p', 'sample_frames': 'frames', 'window': 'window'}

flags.DEFINE_multi_string(
    'gin_file', [], "A config, from the file system or the suite's gin/ folder; may be repeated.")
flags.DEFINE_multi_string(
    'gin_param', [], 'A binding that overrides the files, e.g. vqvae.VQVAE.hidden=64; may be '
    'repeated.')
flags.DEFINE_string('model_dir', None, 'Folder of checkpoints, logs, results and the config.')
flags.DEFINE_string(
    'data_dir', None, 'Folder of prepared data sets; by default $TFDS_DATA_DIR, or else '
    '~/tensorflow_datasets.')
flags.DEFINE_string('manual_dir', None, 'Folder with the raw files that you downloaded yourself.')
flags.DEFINE_string('clip_shape', None, 'Shape TxHxWxC of the clips, if the data is not prepared '
                    'and nothing else specifies it.')
flags.DEFINE_integer('actions', 0, 'Number of actions per frame, together with --clip_shape.',
                     lower_bound=0)
flags.DEFINE_string('strategy', 'auto', 'auto, cpu, mirrored, multi_worker or tpu.')
flags.DEFINE_string('tpu', 'local', "local on a TPU VM, or a TPU's name.")
flags.DEFINE_integer('batch_size', None, 'Clips at once; by default 8, at least 4 per TPU or GPU.',
                     lower_bound=1)
flags.DEFINE_float('temperature', None, 'Divides the logits; for GANs, the standard deviation of '
                   'z; below 1 is more conservative.', lower_bound=0.0)
flags.DEFINE_float('truncation', None, 'For GANs: values of z beyond this are drawn again.',
                   lower_bound=0.0)
flags.DEFINE_integer('top_k', None, 'Draw only from the k most likely codes.', lower_bound=1)
flags.DEFINE_float('top_p', None, 'Draw only from the most likely codes of total probability p.',
                   lower_bound=0.0, upper_bound=1.0)
flags.DEFINE_integer('sample_frames', None, 'Number of frames of a sample; for video GANs, '
                     'without the given frames.', lower_bound=1)
flags.DEFINE_bool('window', None, 'For cascades: sample single windows, as in training.')
flags.disclaim_key_flags()  # so that `declare` speaks for the module that calls it


def declare(*names):
  """Makes shared flags show in the --help of the module that calls this."""
  for name in names:
    flags.declare_key_flag(name)


def batch_size(strategy=None):
  """The number of clips at once: --batch_size; by default 8, at least 4 per TPU core or GPU."""
  if flags.FLAGS.batch_size:
    return flags.FLAGS.batch_size
  on_accelerators = strategy is not None and strategies.on_accelerators(strategy)
  return max(8, 4 * strategy.num_replicas_in_sync) if on_accelerators else 8


def sampling_options():
  """The options of sampling on the command line, a dict, see `trained_model.TrainedModel`."""
  return {option: flags.FLAGS[name].value for name, option in SAMPLING.items()
          if flags.FLAGS[name].value is not None}
