"""How often a training step of an upscaling level draws videos of the frozen levels below.

A step has several updates: two of the discriminators, one of the generator. Each looks at windows
of generated videos, and takes no gradient of how they were made, so that updates can share them.
"""

from tf_videogen.layers import randomness


class EachUpdate:
  """Every update draws videos of its own, of its batch's classes."""

  def begin_step(self, task, batches, seed):
    """The batches as they are: see `UpscalingTask.fake`."""
    del task, seed
    return batches


class EachStep:
  """A step draws once, of its last batch's classes; every update takes windows of its own."""

  def begin_step(self, task, batches, seed):
    """Batches with `below`, videos in [-1, 1], and `below_label`, their classes.

    Args:
      task: an `UpscalingTask`.
      batches: of a step, dicts.
      seed: int32 [2].
    """
    drawn = {'below': task.draw_below(batches[-1], seed), 'below_label': task.labels(batches[-1])}
    return [{**batch, **drawn} for batch in batches]
