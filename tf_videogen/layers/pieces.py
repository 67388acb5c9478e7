"""Videos made piece by piece, so that memory holds the features of one piece, not of all frames.

A generator that can do so has

    begin(z, labels, given, frames) -> carry
        what goes from piece to piece: states of recurrent units, a video to be upscaled;
    piece(number, size, z, labels, carry, frames, record) -> [B, size, H, W, C], carry
        frames number * size and the next ones of `frames`, with standing statistics; those beyond
        the end are arbitrary. With `record` the batch's statistics enter the standing ones instead.

and says of what form frames are: `resolution`, H and W, and `image_channels`, C.

z [B, latent], labels int32 [B], given [B, T', H', W', C] or None as in its call; number int32 [].
"""

import tensorflow as tf


def divided(frames, most):
  """How many pieces of at most `most` frames a video has, and how many frames one then has."""
  count = -(-frames // most)
  return count, -(-frames // count)


def unroll(generator, z, labels, given, frames, most):
  """A generator's video, with standing statistics, in pieces of at most `most` frames.

  Args:
    generator: see the module.
    z, labels, given: of its call.
    frames: how many.
    most: frames of a piece.

  Returns:
    float32 [B, frames, H, W, C].
  """
  count, size = divided(frames, most)
  carry = generator.begin(z, labels, given, frames)
  make = lambda number, carry: generator.piece(number, size, z, labels, carry, frames)
  if count == 1:
    return make(tf.constant(0), carry)[0]
  of_piece = [z.shape[0], size, *[generator.resolution] * 2, generator.image_channels]
  made = tf.TensorArray(tf.float32, count, element_shape=of_piece)

  def one_more(number, made, carry):
    video, carry = make(number, carry)
    return number + 1, made.write(number, video), carry

  _, made, _ = tf.while_loop(
      lambda number, *_: number < count, one_more, (tf.constant(0), made, carry),
      parallel_iterations=1)
  video = tf.transpose(made.stack(), [1, 0, 2, 3, 4, 5])  # [P, B, n, ...] -> [B, P, n, ...]
  video = tf.reshape(video, [-1, count * size, *video.shape[3:]])  # -> [B, P * n, H, W, C]
  return video[:, :frames]
