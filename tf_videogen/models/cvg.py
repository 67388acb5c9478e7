"""CVG: Castrejon et al., "Cascaded Video Generation for Videos In-the-Wild".

A video's smaller views are made by repeated application of f_s, bilinear down-sampling, and f_t,
which leaves out frames; p(x^1, ..., x^L) = p(x^L | x^{L-1}) ... p(x^1) (Eq. 1). The first level is
a generator from noise, of units of a ConvGRU and two 2-D blocks, against discriminators of single
frames and of down-sampled clips. Upscaling levels repeat the frames of the level below and upscale
them, in windows, against the same two and the matching discriminator. What levels share with
SSW-GAN is in `cascade.py`.

Our copy of the paper lacks its appendix. As in SSW-GAN (appendices A and B), therefore: channels
and multipliers, residual connections at the end of each block (the main text: of each unit), no
average of weights, no penalty, the plain projection head. Nobody prints the sizes of first levels
of 64 x 64 pixels, here DVD-GAN's multipliers for that resolution, nor those of the level of
256 x 256, here SSW-GAN's for BDD100K with one more unit and one more block of the discriminators.
The paper's loss is written with logarithms (Eqs. 2, 3), and trained is the hinge loss, as in
SSW-GAN.

Configs: gin/cvg/.
"""

from tf_videogen.layers import resampling
from tf_videogen.models import cascade


class FirstLevel(cascade.FirstGenerator):
  """G of the first level; by default that of frames of 32 x 32 pixels (Kinetics-600).

  Args: as of `cascade.FirstGenerator`.
  """


class UpscalingLevel(cascade.UpscalingGenerator):
  """G of the others; by default that of Kinetics-600, from 32 x 32 to 128 x 128 pixels.

  Args: as of `cascade.UpscalingGenerator`.
  """


class CVG(cascade.UpscalingGAN):
  """A level from the second on, and all below it. Frames become smaller by bilinear interpolation.

  Args: as of `cascade.UpscalingGAN`, without `downsample`.
  """

  def __init__(self, generator, discriminators, lower, piece_frames=cascade.PIECE_FRAMES):
    super().__init__(generator, discriminators, lower, resampling.bilinear, piece_frames)
