"""Hints for wrong configs: the current names of old ones, the nearest names, missing quotes."""

import difflib
import importlib
import inspect
import re

from tf_videogen.launch import bindings
from tf_videogen.launch import config_text

NAMES = {
    'likelihood.VQVAETask': 'tasks.VQVAETask',
    'likelihood.VideoGPTTask': 'tasks.VideoGPTTask',
    'slices.VideoTransformerTask': 'tasks.VideoTransformerTask',
    'adversarial.AdversarialTask': 'tasks.VideoGANTask',
    'upscaling.UpscalingTask': 'tasks.UpscalingTask',
    'protocol.Protocol': 'protocols.Protocol',
    'trivd_gan.VideoGAN': 'dvd_gan.VideoGAN',
    'cvg.FirstLevel': 'cascade.FirstGenerator',
    'cvg.UpscalingLevel': 'cascade.UpscalingGenerator',
    'cvg.CVG': 'cascade.UpscalingGAN, with downsample = @resampling.bilinear',
    'ssw_gan.FirstStage': 'cascade.FirstGenerator, in the scope level1 (was stage1)',
    'ssw_gan.UpsamplingStage': 'cascade.UpscalingGenerator, in the scopes level2 and level3 (were '
                               'stage2 and stage3)',
    'ssw_gan.SSWGAN': 'cascade.UpscalingGAN, with downsample = @resampling.nearest',
    'VQVAE.residual_units': 'units of vqvae.ResidualStack',
    'VQVAE.residual_layers': 'layers of vqvae.ResidualStack',
    'VQVAE.attention': 'attention of vqvae.ResidualStack',
    'VQVAE.norm': 'norm of vqvae.ResidualStack',
    'VQVAE.encoder_kernel': 'strided_kernel, of strided and transposed convolutions',
    'VQVAE.upsampling_kernel': 'strided_kernel, of strided and transposed convolutions',
    'PreparedClips.label_feature': "PreparedClips.features = {'label': ...}",
    'PreparedClips.actions_feature': "PreparedClips.features = {'actions': ...}",
    'PreparedClips.video_feature': "PreparedClips.features = {'video': ...}",
}


def quotes(param):
  """The flag to type for a binding 'NAME=VALUE' whose value lacks quotes; '' if it is fine."""
  name, _, value = (part.strip() for part in param.partition('='))
  try:
    config_text.read_bindings(f'a.b = {value}')
    return ''
  except ValueError:
    is_text = value and not re.search('[][(){}@%\'"]', value)
    return f'--gin_param="{name}=\'{value}\'"' if is_text else ''


def nearest(name, names):
  """'; did you mean ...?' with up to three similar names; '' if there are none."""
  near = difflib.get_close_matches(name, names, n=3, cutoff=0.6)
  return f'; did you mean {", ".join(near)}?' if near else ''


def of_error(message, imports):
  """A hint for a name that gin has not found: the nearest names; '' if none is similar.

  Args:
    message: message of gin's error.
    imports: import lines of the config.
  """
  modules = bindings.imported('\n'.join(imports))
  parameter = re.search(r"Configurable '([\w.]+)' doesn't have a parameter named '(\w+)'", message)
  if parameter:
    function = bindings.configurable(parameter.group(1), modules)
    return function and nearest(parameter.group(2), inspect.signature(function).parameters) or ''
  attribute = re.search(r"<module '([\w.]+)'.* has no attribute (\w+)", message)
  if attribute:
    return nearest(attribute.group(2), dir(importlib.import_module(attribute.group(1))))
  module = re.search(r"'(\w+)' was not provided by an import statement", message)
  if module:
    return nearest(module.group(1), modules) or (
        f'; a config must import what it uses: from tf_videogen... import {module.group(1)}')
  return ''


def renamed(text):
  """A sentence with the current name of the first old name in a gin file's text; '' if none.

  In a block, names of parameters stand below the name of their class.
  """
  text = re.sub(r'#.*', '', text)
  text = re.sub(r'\.(\w+):\n((?:[ \t]+.*\n?)+)', lambda block: ''.join(
      f'.{block.group(1)}.{line.strip()}\n' for line in block.group(2).splitlines()), text)
  found = re.search(r'(?<!\w)(' + '|'.join(map(re.escape, NAMES)) + r')\b', text)
  return f'{found.group(1)} is now {NAMES[found.group(1)]}' if found else ''
