"""A claim of a paper and its arms: what a gin file in gin/claims/ binds.

The first arm is the one that is claimed to be better than each of the others. Arms are trained from
the same seeds on the same data. An arm is a config of a size for two processor cores, and a few
bindings. It may have an arm `below`, which is trained before it: a prior's VQ-VAE, the lower level
of a cascade. Arms of different claims that train the same share the training.
"""

import re

BETTER = ('lower', 'higher')
_NAME = re.compile(r'[\w.,() -]+')


class Arm:
  """One side of a comparison.

  Args:
    name: a few words for tables and pictures; no two arms of a claim have the same.
    config: the gin file that is trained.
    bindings: further bindings, a list of texts 'NAME = VALUE'.
    below: the Arm that is trained first, whose model directory `config` requires; None if it
      requires none.
    sampling: options of samples, see `trained_model.TrainedModel`; the task's defaults if None.

  Raises:
    ValueError: if the name has characters that a file's name must not have.
  """

  def __init__(self, name, config, bindings=(), below=None, sampling=None):
    if not _NAME.fullmatch(name):
      raise ValueError(f'Arm.name = {name!r}: use letters, digits, spaces, and .,()- only')
    self.name = name
    self.config = config
    self.bindings = list(bindings)
    self.below = below
    self.sampling = sampling

  @property
  def stages(self):
    """The trainings of the arm, a list of Arms, the first to be trained first."""
    return [*(self.below.stages if self.below else []), self]


class Claim:
  """What a paper claims, in a form that can be measured.

  Args:
    statement: the claim, one or two sentences.
    source: where the paper makes it.
    paper: the paper's own numbers, a text.
    measure: a measure of `clip_measures`.
    better: 'lower' or 'higher': which values of the measure are better.
    arms: Arms, the one that is claimed to be better first.

  Raises:
    ValueError: if there are fewer than two arms, two have the same name, or `better` is neither.
  """

  def __init__(self, statement, source, paper, measure, better, arms):
    names = [arm.name for arm in arms]
    if len(arms) < 2 or len(set(names)) < len(names):
      raise ValueError(f'Claim.arms must be two or more arms with different names, got {names}')
    if better not in BETTER:
      raise ValueError(f"Claim.better must be 'lower' or 'higher', got {better!r}")
    self.statement = statement
    self.source = source
    self.paper = paper
    self.measure = measure
    self.better = better
    self.arms = list(arms)

  def arm(self, name):
    """The Arm of that name."""
    return next(arm for arm in self.arms if arm.name == name)
