"""Runs the networks of metrics on the replicas of a strategy, from NumPy arrays to NumPy arrays."""

import numpy as np

from tf_videogen.layers import full_precision
from tf_videogen.metrics import networks
from tf_videogen.metrics import pretrained
from tf_videogen.training import strategies


class Extractor:
  """The networks that an evaluation needs, loaded once.

  Attributes:
    missing: dict of the networks whose weights are missing on the machine of any worker: name ->
      how to get them.
    labels: dict of the loaded networks: name -> the label that is written beside their numbers.

  Args:
    strategy: a tf.distribute.Strategy.
    names: names of networks, see `networks.FeatureNetwork`.
    batch_size: clips that each replica takes at once.
    random: whether to take random weights instead, for smoke tests.
  """

  def __init__(self, strategy, names, batch_size=4, random=False):
    self._strategy = strategy
    self._batch_size = batch_size
    self._programs, self.labels, self.missing, self._networks = {}, {}, {}, {}
    for name in dict.fromkeys(names):
      network = error = None
      try:
        with strategies.scope(strategy):
          network = networks.FeatureNetwork(networks.RANDOM + name if random else name)
      except pretrained.Missing as missing:
        error = str(missing)
      if strategies.any_worker(strategy)(error is not None):
        self.missing[name] = error or (
            f'another worker lacks {name}; run there: {pretrained.get_command(name)}')
        continue
      self._networks[name] = network
      self.labels[name] = network.label
      self._programs[name] = strategies.program(strategy, network)

  def min_frames(self, name):
    """The fewest frames that a network takes; shorter clips are repeated from their start."""
    return self._networks[name].min_frames

  def __call__(self, name, video):
    """The outputs of a network: dict of float32 [N, ...] arrays.

    Args:
      name: name of a network that is not missing.
      video: uint8 [N, T, H, W, C].
    """
    found = {}
    replicas = len(self._strategy.extended.worker_devices)  # those of this process
    rows = self._batch_size
    if not strategies.on_accelerators(self._strategy):  # a CPU needs no program per size
      rows = min(rows, -(-len(video) // replicas))
    for start in range(0, len(video), rows * replicas):
      part = video[start:start + rows * replicas]
      # The last batch is filled up with repetitions, whose outputs are dropped.
      filled = part[np.arange(rows * replicas) % len(part)]
      with full_precision.without_tensor_float_32():
        outputs = self._programs[name](strategies.rows_of_replicas(self._strategy, filled))
      for output, values in outputs.items():
        values = strategies.joined_rows(self._strategy, values)
        found.setdefault(output, []).append(values[:len(part)])
    return {output: np.concatenate(values) for output, values in found.items()}
