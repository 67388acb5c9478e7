"""Which pixels reach the prediction of which: the blind spots of a Video Transformer, exactly.

Appendix C of Weissenborn et al. 2020 (https://arxiv.org/abs/1906.02634). What reaches a position is
a set of pixels, here a row of bits. Convolutions begin the sets; a layer of attention makes every
set the union of those that its position attends to; a residual changes nothing, as every position
attends to itself. So the sets follow from blocks, masks and kernels, whatever the weights.
"""

import numpy as np


def reached(model, index):
  """The pixels that reach the prediction of every pixel of a slice.

  Args:
    model: a VideoTransformer, built.
    index: the slice.

  Returns:
    bool [t * h * w, T * H * W]: whether a pixel of the video reaches that of the slice. The first
    channel of a pixel is meant; later ones also see the pixel itself.
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
  """The pixels that are generated before every pixel of a slice: bool, as `reached`."""
  order = np.arange(np.prod(model.video_shape)).reshape(1, *model.video_shape, 1)
  # Slices lie one after the other in the order of generation, and so do the pixels of each.
  generated = np.empty(order.size, np.int64)
  generated[model.subscaling.split(order).numpy().ravel()] = np.arange(order.size)
  mine = model.subscaling.slice(order, [index]).numpy().ravel()
  return generated < generated[mine][:, np.newaxis]


def missed_by_distance(model, progress=lambda slices: slices):
  """How many of the earlier pixels do not reach a prediction, by their distance.

  The distance is the largest of those in time, height and width.

  Args:
    model: a VideoTransformer, built.
    progress: wraps the iterable of slices, such as `tqdm.tqdm`.

  Returns:
    dict of 'earlier' and 'missed', int64 [distances], for distances from 0 on: pairs of pixels,
    over `generated_slices` of the model. Then 'missed_in_slice' and 'earlier_in_slice', of pairs
    within a slice alone.
  """
  places = np.indices(model.video_shape).reshape(3, -1)  # of pixels, [axes, T * H * W]
  size = max(model.video_shape)
  counts = np.zeros([size, 2, 2, 2], np.int64)  # by distance, whether earlier, missed, of the slice
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
  """A slice's pixels [t, h, w] under a masked convolution's taps: [t * h * w, taps], -1: none."""
  half = [extent // 2 for extent in convolution.extent]
  padded = np.pad(numbers, [(n, n) for n in half], constant_values=-1)
  taps = [np.unravel_index(i, convolution.extent) for i in range(convolution.taps)]
  views = [padded[tuple(slice(i, i + n) for i, n in zip(tap, numbers.shape))] for tap in taps]
  return np.stack([view.ravel() for view in views], 1)


def _bits(numbers, size):
  """Sets of numbers, [rows, N] with -1 for none, as rows of bits: uint8 [rows, size / 8]."""
  rows = np.zeros([len(numbers), size + 1], bool)
  np.put_along_axis(rows, numbers, True, 1)  # -1 is the last column
  return np.packbits(rows[:, :size], axis=1)


def _through(stack, rows):
  """The sets after the layers of a stack."""
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
