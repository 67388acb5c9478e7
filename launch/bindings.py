"""Checks the bindings of a config against a table of allowed values, before anything is built.

In the suite, parameters of the same name mean the same everywhere, so the table is by name. Classes
that differ have entries `Class.parameter`. For classes from elsewhere, the default tells the type.
"""

import importlib
import inspect
import math
import re
import typing

import gin

from tf_videogen.launch import config_text

_IMPORT = re.compile(r'^(?:from (\S+) )?import (\S+)(?: as (\S+))?$', re.MULTILINE)


class Kind(typing.NamedTuple):
  """A kind of values.

  Attributes:
    words: description of such a value, for messages.
    accepts: function that tells whether a value is of this kind.
    reference: whether a reference, @something, may stand in for a value.
  """
  words: str
  accepts: typing.Callable
  reference: bool = False


def _whole(least):
  return lambda value: type(value) is int and value >= least


def _number(accepts):
  return lambda value: type(value) in (int, float) and math.isfinite(value) and accepts(value)


def _all(accepts, lengths=None, least=0):
  """Accepts a list or tuple of an allowed length whose items are all accepted."""
  return lambda value: isinstance(value, (list, tuple)) and len(value) >= least and (
      lengths is None or len(value) in lengths) and all(map(accepts, value))


def _either(*accepts):
  return lambda value: any(one(value) for one in accepts)


def _one_of(*values):
  return Kind('one of ' + ', '.join(map(repr, values)), lambda value: value in values)


def _or_none(kind, meaning):
  return Kind(f'{kind.words}, or None for {meaning}', _either(kind.accepts, lambda v: v is None))


POSITIVE = Kind('a whole number of at least 1', _whole(1))
COUNT = Kind('a whole number of at least 0', _whole(0))
SEED = Kind('a whole number from 0 to 2**63 - 1', lambda value: _whole(0)(value) and value < 2**63)
FLAG = Kind('True or False', lambda value: type(value) is bool)
AMOUNT = Kind('a number above 0', _number(lambda value: value > 0))
WEIGHT = Kind('a number of at least 0', _number(lambda value: value >= 0))
SHARE = Kind('a number from 0 to 1', _number(lambda value: 0 <= value <= 1))
DECAY = Kind('a number of at least 0 and below 1', _number(lambda value: 0 <= value < 1))
RATE = Kind('a number above 0, or a schedule such as @optimizers.cosine_decay()',
            AMOUNT.accepts, reference=True)
TEXT = Kind('a text in quotes', lambda value: isinstance(value, str) and bool(value))
ANY_TEXT = Kind('a text in quotes', lambda value: isinstance(value, str))
TEXTS = Kind("a text, or a tuple of one or more texts, such as ('test',)",
             _either(TEXT.accepts, _all(TEXT.accepts, least=1)))
SIZES = Kind('a tuple of one or more whole numbers of at least 1', _all(_whole(1), least=1))
COUNTS = Kind('a tuple of whole numbers of at least 0', _all(_whole(0)))
THREE = Kind('three whole numbers of at least 1, (time, height, width)', _all(_whole(1), (3,)))
KERNEL = Kind('a whole number of at least 1, or three of them, (time, height, width)',
              _either(_whole(1), THREE.accepts))
FACTORS = Kind('a tuple of at most two whole numbers of at least 1', _all(_whole(1), (0, 1, 2)))
BLOCKS = Kind('a list of triples (time, height, width) of whole numbers of at least 1',
              _all(THREE.accepts, least=1))
MAPPING = Kind('a dict', lambda value: isinstance(value, dict), reference=True)
OBJECT = Kind('a class or function, written with @', lambda value: False, reference=True)
OBJECTS = Kind('a list of one or more classes or objects, each written with @', _all(
    lambda value: isinstance(value, gin.config.ConfigurableReference), least=1))

_KINDS = {
    POSITIVE: 'batch_size steps_per_loop checkpoint_interval evaluation_interval '
              'evaluated_frames evaluation_limit bits block codebooks codes cross_values '
              'decay_steps depth dim discriminator_updates embedding examples factor '
              'feedforward first_frames frame_step frames heads head_width hidden '
              'image_channels latent layers local_blocks piece_frames query_chunk repeats '
              'width units sample_frames sampled_frames groups interval '
              'samples_per_condition shapes size standing_batch '
              'standing_passes start subsets trials latent_kernel strided_kernel '
              'upsampling_stages channels classes crop_size generated videos splits '
              'train_steps Decline.window',
    COUNT: 'preview_clips actions average_start conditioning_frames masked_frames primed_frames '
           'reprimed_frames first ResidualStack.layers warmup_steps VideoGPT.classes processes',
    SEED: 'seed',
    FLAG: 'evaluate_too causal convolutions each_block gather isolated joint one_hot pool_time '
          'rematerialize sentinel task_metrics drop_short ResidualStack.attention '
          'BlockLocalAttention.dilated mirrored position_embedding codebook_axis epsilon_outside '
          'truncates real_truncated deviation_over_n whole network_means',
    AMOUNT: 'clip_norm data_variance epsilon max_speed poll_seconds timeout',
    WEIGHT: 'commitment_cost orthogonality restart_threshold',
    SHARE: 'test_share max_failed_share',
    DECAY: 'average_decay beta_1 beta_2 decay dropout momentum',
    RATE: 'learning_rate',
    TEXT: 'config dataset folder metric name network paper source split statement train_path '
          'train_split',
    ANY_TEXT: 'note data_dir test_path validation_path',
    TEXTS: 'Experiment.splits views levels between',
    Kind("a tuple of texts, such as ('train',)", _all(TEXT.accepts)): 'task_splits bindings sets',
    SIZES: 'multipliers best_of PowerSpectrum.frames',
    COUNTS: 'non_local LayerStack.dilated',
    THREE: 'downsampling subscale shape context_kernel BlockLocalAttention.block',
    KERNEL: 'kernel',
    FACTORS: 'factors',
    BLOCKS: 'blocks',
    MAPPING: 'sampling features FrechetDistance.classes InceptionScore.classes Protocol.classes',
    OBJECT: 'activation attention clips decoder discriminator discriminators downsample draws '
            'below encoder first_slice frame_encoder generator head kernels model norm optimizer '
            'measure pixels predictor prior quantizer residual_stack stack task temporal unit '
            'vqvae',
    OBJECTS: 'arms measures lower',
    _or_none(POSITIVE, 'all'): 'keep_checkpoints last FrechetDistance.frames',
    Kind('a whole number of at least 1, or a list of them, one per layer',
         _either(_whole(1), SIZES.accepts)): 'LayerStack.heads',
    # Empty if no such directory is needed any more.
    ANY_TEXT._replace(words='the folder of a trained model, in quotes'):
        'vqvae_dir first_slice_dir lower_dir init_from',
    Kind('18, 34, or how many blocks each of the four groups has',
         _either(lambda value: value in (18, 34), _all(_whole(1), (4,)))): 'ResNet3D.depth',
    _one_of('first', 'random'): 'real_windows generated_windows',
    _one_of('first', 'all'): 'windows',
    _one_of('lower', 'higher'): 'better',
    _one_of('random', 'center'): 'crop',
    _one_of('auto', 'float32', 'mixed_bfloat16'): 'precision',
    _one_of('logits', 'features'): 'output',
    _one_of('real', 'reconstructed', 'generated'): 'stream',
}
TABLE = {name: kind for kind, names in _KINDS.items() for name in names.split()}
# For classes from elsewhere, by the type of the default: refuses what is wrong for sure.
_A_NUMBER = Kind('a number', lambda value: not isinstance(value, (str, dict)), reference=True)
_OF_OTHERS = {bool: FLAG._replace(accepts=_A_NUMBER.accepts, reference=True), int: _A_NUMBER,
              float: _A_NUMBER, str: Kind('a text in quotes', lambda value: not isinstance(
                  value, (bool, int, float)), reference=True)}


def kind_of(function, parameter):
  """The kind of a parameter of a class or function, and whether it may be None: (Kind, bool).

  The kind is None if it is unknown.
  """
  found = inspect.signature(function).parameters.get(parameter)
  default = found.default if found is not None else inspect.Parameter.empty
  if function.__module__.partition('.')[0] == 'tf_videogen':
    kind = TABLE.get(f'{function.__name__}.{parameter}', TABLE.get(parameter))
  else:
    kind = _OF_OTHERS.get(type(default))
  return kind, default is None


def configurable(selector, modules):
  """The class or function that a selector such as 'vqvae.VQVAE' names; None if it is gin's own.

  Args:
    selector: a name as in a config.
    modules: dict of the modules that the config imports, {short name: full name}.
  """
  module, _, name = selector.rpartition('.')
  first, _, rest = module.partition('.')
  path = '.'.join(filter(None, [modules.get(first, first), rest]))
  try:
    return getattr(importlib.import_module(path), name, None)
  except (ImportError, ValueError):
    return None


def imported(text):
  """The modules that the text of a config imports, a dict {short name: full name}."""
  return {alias or name.rpartition('.')[2]: '.'.join(filter(None, [package, name]))
          for package, name, alias in _IMPORT.findall(text)}


def check():
  """Checks all bindings that gin has parsed against the table.

  Raises:
    ValueError: if a binding is wrong. The message has the name and value of the first such binding,
      and what is wanted.
  """
  text = gin.config_str()  # lines between parts are as long as lines may be
  modules = imported(text)
  for name in re.findall(r'^([\w./]+) = ', text, re.MULTILINE):
    selector, _, parameter = name.rpartition('/')[2].rpartition('.')
    function = configurable(selector, modules) if selector else None
    if function is None:
      continue
    kind, may_be_none = kind_of(function, parameter)
    value = config_text.mapped(_filled, gin.query_parameter(name))
    if kind is None or (value is None and may_be_none):
      continue
    if isinstance(value, gin.config.ConfigurableReference):
      if kind.reference or value.scoped_selector.endswith('macro'):
        continue
    elif kind.accepts(value):
      continue
    raise ValueError(f'in the config: {name} = {value!r}: it must be {kind.words}'
                     + (', or None' if may_be_none else ''))


def _filled(value):
  """The value of a macro; any other value unchanged."""
  if isinstance(value, gin.config.ConfigurableReference) and (
      value.selector.rpartition('.')[2] == 'macro'):
    try:
      return config_text.mapped(_filled, gin.query_parameter(f'%{"/".join(value.scopes)}'))
    except ValueError:
      pass  # the macro has no value: the code that needs it says so
  return value
