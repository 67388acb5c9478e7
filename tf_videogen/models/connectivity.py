"""Finds which pixels reach each prediction of a Video Transformer, and so its exact blind spots.

Appendix C of Weissenborn et al. 2020 (https://arxiv.org/abs/1906.02634). The pixels that reach a
position are a set, stored here as a row of bits. The convolutions define the first sets. Each
attention layer replaces the set of a position by the union of the sets of all positions that it
attends to. A residual connection changes nothing, because every position attends to itself. (With
a sentinel it does not, but the residual keeps its set.) The sets therefore follow from blocks,
masks and kernels, and do not depend on the weights.
"""

import numpy as np


def reached(model, index):
  """Returns which pixels reach the prediction of each pixel of a slice.

  Args:
    model: a built VideoTransformer.
    index: the slice, an int from `model.generated_slices`.

  Returns:
    bool [t * h * w, T * H * W]: one row per pixel of the slice, and one column per pixel of the
    video, true if it reaches the prediction. This holds for a pixel's first channel. Later channels
    also see the earlier channels of the pixel itself.
  """
  owner = model.owner(index)
  numbers = np.arange(np.prod(model.video_shape), dtype=np.int32).reshape(1, *model.video_shape, 1)
  mine = model.subscaling.slice(numbers, [index]).numpy()[0, ..., 0]
  rows = _bits(_before(mine, owner.decoder.convolution), numbers.size)
  if owner.encoder is not None:
    context = owner.encoder.subscaling.context(numbers, np.array([index], np.int32)).numpy()
    encoded = _bits(context.reshape(mine.size, -1), numbers.size)
    rows |= _through(owner.encoder.stack, encoded)
  rows = _through(owner.decoder.stack, rows)
  return np.unpackbits(rows, axis=1, count=numbers.size).astype(bool)


def earlier(model, index):
  """Returns which pixels are generated before each pixel of a slice: bool, as in `reached`."""
  order = np.arange(np.prod(model.video_shape)).reshape(1, *model.video_shape, 1)
  # Slices are generated one after the other, and so are the pixels of each slice.
  generated = np.empty(order.size, np.int64)
  generated[model.subscaling.split(order).numpy().ravel()] = np.arange(order.size)
  mine = model.subscaling.slice(order, [index]).numpy().ravel()
  return generated < generated[mine][:, np.newaxis]


def missed_by_distance(model, progress=lambda slices: slices):
  """Counts the earlier pixels that do not reach a prediction, by distance.

  The distance of two pixels is the largest of their distances in time, height and width.

  Args:
    model: a built VideoTransformer.
    progress: a function that wraps the iterable of slices, such as `tqdm.tqdm`.

  Returns:
    dict of int64 [distances], for distances from 0 on: numbers of pairs of a pixel and an earlier
    pixel, over the model's `generated_slices`.
      earlier: all such pairs.
      missed: the pairs whose earlier pixel does not reach the prediction of the other.
      earlier_in_slice, missed_in_slice: the same, for pairs within one slice.
  """
  places = np.indices(model.video_shape).reshape(3, -1)  # coordinates of pixels, [axes, T * H * W]
  size = max(model.video_shape)
  counts = np.zeros([size, 2, 2, 2], np.int64)  # by distance, earlier, missed, in the slice
  numbers = np.arange(places.shape[1]).reshape(1, *model.video_shape, 1)
  for index in progress(model.generated_slices):
    mine = model.subscaling.slice(numbers, [index]).numpy().ravel()
    before = earlier(model, index)
    missed = before & ~reached(model, index)
    within = np.zeros(places.shape[1], bool)
    within[mine] = True
    for pixel, of_pixel, not_reached in zip(mine, before, missed):
      distance = np.abs(places - places[:, pixel:pixel + 1]).max(0)
      kind = distance * 8 + of_pixel * 4 + not_reached * 2 + within
      counts += np.bincount(kind, minlength=size * 8).reshape(counts.shape)
  return {'earlier': counts[:, 1].sum((1, 2)), 'missed': counts[:, 1, 1].sum(1),
          'earlier_in_slice': counts[:, 1, :, 1].sum(1), 'missed_in_slice': counts[:, 1, 1, 1]}


def _before(numbers, convolution):
  """Pixels under a masked convolution's taps: [t, h, w] -> [t * h * w, taps], -1 outside."""
  half = [extent // 2 for extent in convolution.extent]
  padded = np.pad(numbers, [(n, n) for n in half], constant_values=-1)
  taps = [np.unravel_index(i, convolution.extent) for i in range(convolution.taps)]
  views = [padded[tuple(slice(i, i + n) for i, n in zip(tap, numbers.shape))] for tap in taps]
  return np.stack([view.ravel() for view in views], 1)


def _bits(numbers, size):
  """Packs sets of numbers, [rows, N] with -1 for none, as bits: uint8 [rows, ceil(size / 8)]."""
  rows = np.zeros([len(numbers), size + 1], bool)
  np.put_along_axis(rows, numbers, True, 1)  # -1 is the last column
  return np.packbits(rows[:, :size], axis=1)


def _through(stack, rows):
  """Returns the sets after the layers of a stack."""
  for layer in stack.layers:
    attention, rows = layer.attention, rows.copy()
    # The positions of every block, in raster order.
    order = np.lexsort([attention.blocks.place_of, attention.blocks.block_of])
    for block in order.reshape(attention.blocks.count, attention.blocks.length):
      if attention.causal:
        rows[block] = np.bitwise_or.accumulate(rows[block], 0)
      else:
        rows[block] = np.bitwise_or.reduce(rows[block], 0)
  return rows
