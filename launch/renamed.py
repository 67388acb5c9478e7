"""What names in gin files are called now, for the files of those who wrote their own."""

import re

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
    'PreparedClips.label_feature': "PreparedClips.features = {'label': ...}",
    'PreparedClips.actions_feature': "PreparedClips.features = {'actions': ...}",
    'PreparedClips.video_feature': "PreparedClips.features = {'video': ...}",
}


def hint(text):
  """What the first old name in a gin file's text is called now, a sentence; '' without any.

  In a block, its names stand below that of their class.
  """
  text = re.sub(r'#.*', '', text)
  text = re.sub(r'\.(\w+):\n((?:[ \t]+.*\n?)+)', lambda block: ''.join(
      f'.{block.group(1)}.{line.strip()}\n' for line in block.group(2).splitlines()), text)
  found = re.search(r'(?<!\w)(' + '|'.join(map(re.escape, NAMES)) + r')\b', text)
  return f'{found.group(1)} is now {NAMES[found.group(1)]}' if found else ''
