"""SSW-GAN: Castrejon et al., "SSW-GAN: Scalable Stage-wise Training of Video GANs".

A view x_l of a video x is made by nearest neighbours in space and time, and p(x, x_l) = p(x | x_l)
p(x_l) (Eq. 1). Stage 1 follows DVD-GAN (appendix B.1); upsampling stages (section 4, appendix B.2)
replace ConvGRUs by separable 3-D convolutions and add residual connections to x_l; they train on
uniformly sampled windows of it (Eq. 6), against a spatial, a temporal and a matching discriminator,
whose outputs are concatenated under one hinge loss. What stages share with CVG is in `cascade.py`.

No average of weights, no penalty (appendix A). The learning rates are printed as "1e10^-4" and
"5e10^-4", which CVG states as 1e-4 and 5e-4. Not printed, and how it is here: the head, which is
the plain projection of classes; stage 2 of the three on BDD100K, of 64 x 64 pixels, which has
stage 3's sizes without one unit and one block.

Appendix H trains two stages together (`UpscalingTask.joint`), judged by the second one's output
alone; appendix C compares units with a ConvGRU (`cascade.ConvGRULayer`).

Configs: gin/ssw_gan/.
"""

from tf_videogen.layers import resampling
from tf_videogen.models import cascade


class FirstStage(cascade.FirstGenerator):
  """G of stage 1 (appendix B.1): 32 x 32 pixels in all experiments.

  Args: as of `cascade.FirstGenerator`.
  """


class UpsamplingStage(cascade.UpscalingGenerator):
  """G of the others (appendix B.2); by default of Kinetics-600, from 32 x 32 to 128 x 128 pixels.

  Args: as of `cascade.UpscalingGenerator`.
  """


class SSWGAN(cascade.UpscalingGAN):
  """A stage from the second on, and all below it. Frames become smaller by nearest neighbours.

  Args: as of `cascade.UpscalingGAN`, without `downsample`.
  """

  def __init__(self, generator, discriminators, lower, piece_frames=cascade.PIECE_FRAMES):
    super().__init__(generator, discriminators, lower, resampling.nearest, piece_frames)
