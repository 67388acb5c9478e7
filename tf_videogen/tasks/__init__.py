"""A task is a model, its objective, and how it is evaluated and sampled; a paper a file.

Gin files say `from tf_videogen import tasks`, and bind `tasks.VideoGPTTask`: modules have the names
of those of `models`.
"""

from tf_videogen.tasks.cascade import UpscalingTask
from tf_videogen.tasks.video_gan import VideoGANTask
from tf_videogen.tasks.video_transformer import VideoTransformerTask
from tf_videogen.tasks.videogpt import VideoGPTTask
from tf_videogen.tasks.videogpt import VQVAETask
