"""Tasks: a task is a model with its objective, its evaluation and its sampler.

Gin files bind the classes of this package, as in `tasks.VideoGPTTask`, and not its modules. Some
modules of `models` have the same names, and a gin file can import only one of two such modules.
"""

from tf_videogen.tasks.cascade import UpscalingTask
from tf_videogen.tasks.video_gan import VideoGANTask
from tf_videogen.tasks.video_transformer import VideoTransformerTask
from tf_videogen.tasks.videogpt import VideoGPTTask
from tf_videogen.tasks.videogpt import VQVAETask
