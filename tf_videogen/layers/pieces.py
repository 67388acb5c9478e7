"""Videos made piece by piece, so that memory holds the features of one piece, not of all frames.

A generator that can do so has two methods:

    begin(z, labels, given, frames) -> carry
        The carry is handed from piece to piece: states of recurrent units, a video to be upscaled.
    piece(number, size, z, labels, carry, frames, record) -> video [B, size, H, W, C], carry
        The video has `size` of the `frames` frames, from frame number * size on, made with standing
        statistics; frames beyond the end are arbitrary. With `record`, they are made with the
        batch's statistics instead, and these enter the standing ones.

Two attributes tell the shape of its frames: `resolution` is H and W, `image_channels` is C.

z [B, latent], labels int32 [B], and given [B, T', H', W', C] or None are as in the generator's
call; number is int32 [].
"""

import tensorflow as tf


def divided(frames, most):
  """The number of pieces of at most `most` frames of a video, and the frames of each piece."""
  count = -(-frames // most)
  return count, -(-frames // count)


def unroll(generator, z, labels, given, frames, most):
  """A generator's video, made with standing statistics, in pieces of at most `most` frames.

  Args:
    generator: a generator as described in the module's docstring.
    z, labels, given: arguments of the generator's call.
    frames: number of frames of the video.
    most: the most frames of a piece.

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
