"""Optimizers and learning-rate schedules, with the names and the defaults that the papers use."""
import tensorflow as tf


def adam(learning_rate=3e-4, beta_1=0.9, beta_2=0.999, epsilon=1e-8):
  """Adam; `learning_rate` is a number or a schedule."""
  return tf.keras.optimizers.Adam(learning_rate, beta_1=beta_1, beta_2=beta_2, epsilon=epsilon)


def rmsprop(learning_rate=2e-5, decay=0.95, momentum=0.9, epsilon=1e-10):
  """RMSProp with momentum; `learning_rate` is a number or a schedule.

  The defaults are the Video Transformer's. The epsilon is the default of TensorFlow's RMSProp at
  the time of that paper. That optimizer initialized the mean square to 1; this one initializes it
  to 0.
  """
  return tf.keras.optimizers.RMSprop(learning_rate, rho=decay, momentum=momentum, epsilon=epsilon)


def cosine_decay(learning_rate, decay_steps, warmup_steps=0):
  """A learning-rate schedule that falls from `learning_rate` to 0 along half a cosine.

  Args:
    learning_rate: the highest rate.
    decay_steps: step at which the rate reaches 0; it counts the warm-up.
    warmup_steps: steps of a linear warm-up from 0; 0 for none.
  """
  if not warmup_steps:
    return tf.keras.optimizers.schedules.CosineDecay(learning_rate, decay_steps)
  return tf.keras.optimizers.schedules.CosineDecay(
      0.0, decay_steps - warmup_steps, warmup_target=learning_rate, warmup_steps=warmup_steps)


class TwoPlayers(tf.Module):
  """The optimizers of an adversarial task, one per player (TrIVD-GAN, appendix E.2).

  Args:
    generator: a Keras optimizer for the generator.
    discriminator: a Keras optimizer for all discriminators.
    discriminator_updates: number of updates of the discriminators per step, at least 1. Each has
      its own batch.
  """

  def __init__(self, generator, discriminator, discriminator_updates=2):
    super().__init__()
    if discriminator_updates < 1:
      raise ValueError('TwoPlayers.discriminator_updates must be at least 1, got '
                       f'{discriminator_updates}')
    self.generator = generator
    self.discriminator = discriminator
    self.discriminator_updates = discriminator_updates

  def build(self, players):
    """Creates the optimizers' variables; `players` is the `Players` that a task trains."""
    self.generator.build(players.generator)
    self.discriminator.build(players.discriminator)


def _players(optimizer):
  """The Keras optimizers of an optimizer, by the prefix of the names of their terms."""
  if isinstance(optimizer, TwoPlayers):
    return {'discriminator_': optimizer.discriminator, 'generator_': optimizer.generator}
  return {'': optimizer}


def learning_rates(optimizer):
  """The learning rates of the latest update: {'learning_rate': float}.

  With `TwoPlayers` the names are 'discriminator_learning_rate' and 'generator_learning_rate'.
  """
  return {f'{name}learning_rate': float(player.learning_rate.numpy())
          for name, player in _players(optimizer).items()}


def constant_rates(optimizer):
  """Learning rates without a schedule, a list of pairs (variable, float).

  Checkpoints hold these variables, too. Assign the floats again after a checkpoint is restored:
  then the configuration's rates apply.
  """
  return [(rate, float(rate.numpy())) for rate in (
      player.learning_rate for player in _players(optimizer).values()
      if not _has_schedule(player))]


def _has_schedule(optimizer):
  return isinstance(optimizer.get_config()['learning_rate'], dict)
