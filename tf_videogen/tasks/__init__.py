"""A task is a model, its objective, and how it is measured and sampled.

Gin files bind classes of this package, as in `tasks.VideoGPTTask`: its modules have names that
those of `models` have, too, and a gin file may import only one of them.
"""

from tf_videogen.tasks.cascade import UpscalingTask
from tf_videogen.tasks.video_gan import VideoGANTask
from tf_videogen.tasks.video_transformer import VideoTransformerTask
from tf_videogen.tasks.videogpt import VideoGPTTask
from tf_videogen.tasks.videogpt import VQVAETask
