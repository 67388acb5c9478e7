"""The configs of gin/, parsed without the data and the models that they need."""

import re

import gin

from tf_videogen.launch import configs
from tf_videogen.launch import tpu_programs

_ALL = sorted(str(path.relative_to(configs.GIN_DIR)) for path in configs.GIN_DIR.rglob('*.gin'))
PROTOCOLS = [name for name in _ALL if name.startswith('evaluation/')]
CASCADES = [name for name in _ALL if 'cascades.Cascade.levels' in
            (configs.GIN_DIR / name).read_text()]
NAMES = [name for name in _ALL if name not in PROTOCOLS + CASCADES
         and not name.startswith(('base/', 'claims/'))]  # configs of models
_GIVEN = {'VQVAE_DIR': 'nowhere', 'FIRST_SLICE_DIR': 'nowhere', 'LOWER_DIR': 'nowhere',
          'TRAIN_FILE': 'train.npz', 'TEST_FILE': 'test.npz'}


def parse(name):
  """Parses a config, with placeholders for the values that it requires."""
  configs.parse([name], [], needs_all=False)  # a macro without a value becomes its own name
  for macro in re.findall(r"^(\w+) = '\1'$", gin.config_str(), re.MULTILINE):
    gin.bind_parameter(f'{macro}/macro.value', _GIVEN[macro])


def clip_shape(clips):
  """The shape (T, H, W, C) of the clips of a source, without looking at the data."""
  source = getattr(clips, 'clips', clips)  # the source of clips that are made smaller
  dataset = source.dataset or ''
  size = getattr(source, 'size', None) or (32 if 'optdigits' in dataset else 64)
  channels = 1 if dataset.startswith('moving_mnist') else getattr(source, 'channels', 3)
  for factor in getattr(clips, 'factors', ()):
    size //= factor
  return (clips.frames, size, size, channels)


def unprepared(clips):
  """The specs of an example of clips, if no builder tells them.

  Returns:
    ('TxHxWxC', number of actions per frame); (None, 0) if a builder tells the specs.
  """
  try:
    tpu_programs.example_spec(clips)
    return None, 0
  except (FileNotFoundError, ValueError):
    pass
  try:
    actions = gin.query_parameter('videogpt.VideoGPT.actions') // (clips.frames - 1)
  except ValueError:
    actions = 0
  return 'x'.join(map(str, clip_shape(clips))), actions
