"""Video Transformer: parameter counts, what sees what, probabilities; steps equal the full pass."""
import functools
import itertools

import numpy as np
import pytest
import tensorflow as tf

from tf_videogen.layers import block_attention
from tf_videogen.layers import channel_prediction
from tf_videogen.layers import pixel_bits
from tf_videogen.layers import rematerialization
from tf_videogen.layers import xla_context
from tf_videogen.models import slice_sampling
from tf_videogen.models import video_transformer

BLOCKS = [(4, 8, 4), (4, 4, 8), (1, 32, 4), (1, 4, 32)]
SHAPE, SUBSCALE, SLICE = (4, 8, 8, 3), (2, 2, 2), (2, 4, 4)
SMALL = functools.partial(
    video_transformer.LayerStack, blocks=[(2, 4, 2), (2, 2, 4), (1, 4, 4)], heads=2, width=16,
    attention=functools.partial(block_attention.BlockLocalAttention, head_width=8))
ONE_LAYER = functools.partial(SMALL, layers=1)


pytestmark = pytest.mark.usefixtures('same_initial_values')


def _tiny(shape=SHAPE, subscale=SUBSCALE, stack=SMALL, actions=0, pixels=None, kernel=None,
          predictor=channel_prediction.ChannelPredictor, **kwargs):
  """A small model, all of whose parameters do something."""
  encoder = video_transformer.SliceEncoder(stack, embedding=8, context_kernel=kernel,
                                           actions=actions)
  decoder = video_transformer.SliceDecoder(stack, predictor, embedding=8)
  model = video_transformer.VideoTransformer(subscale, decoder, encoder, pixels=pixels, **kwargs)
  model.build((None,) + shape)
  rng = np.random.default_rng(0)
  for variable in model.trainable_variables:
    variable.assign_add(rng.normal(size=variable.shape, scale=0.3))
  return model


def _video(shape=SHAPE, values=16, parts=2, batch=2, seed=1):
  rng = np.random.default_rng(seed)
  return rng.integers(values, size=(batch, *shape[:3], parts * shape[3])).astype(np.int32)


@pytest.mark.parametrize('width, heads, millions, mirrored', [
    (512, 8, 46, False), pytest.param(512, 8, 46, True, marks=pytest.mark.slow),
    pytest.param(2048, [8] * 4 + [16] * 4, 373, True, marks=pytest.mark.slow)])
def test_parameter_counts_of_the_paper(width, heads, millions, mirrored):
  """Of a stack of all blocks; or of the first half, whose layers count twice."""
  stack = functools.partial(video_transformer.LayerStack, heads=heads, width=width,
                            blocks=BLOCKS + (BLOCKS[::-1] if mirrored else []))
  model = video_transformer.VideoTransformer(
      (4, 2, 2), video_transformer.SliceDecoder(stack), video_transformer.SliceEncoder(stack))
  with tf.__internal__.FuncGraph('build').as_default():
    tf.autograph.experimental.do_not_convert(model.build)((None, 16, 64, 64, 3))
  size = lambda layer: sum(v.shape.num_elements() for v in layer.trainable_variables)
  count = size(model)
  layers = [*model.encoder.stack.layers, *model.decoder.stack.layers]
  assert len(layers) == (16 if mirrored else 8)
  if not mirrored:
    count += sum(map(size, layers))
  assert count == {46: 46_037_760, 373: 373_271_424}[millions]
  assert abs(count / 1e6 - millions) < 0.005 * millions


@pytest.fixture(scope='module', name='model')
def _model():
  """A small model, for tests that don't change it."""
  tf.keras.utils.set_random_seed(0)
  return _tiny()


def test_a_slice_is_conditioned_on_earlier_slices_alone(model):
  video, slices, encode = _video(), model.subscaling, tf.function(model.encoder, autograph=False)
  for index in range(8):
    indices = tf.constant([index] * 2)
    z = encode(tf.constant(video), indices).numpy()
    for other in range(8):
      changed = slices.split(tf.constant(video)).numpy()
      changed[:, other] = 15 - changed[:, other]
      again = encode(slices.join(changed), indices).numpy()
      assert np.array_equal(again, z) == (other >= index)


def test_a_pixel_is_conditioned_on_earlier_pixels_alone(model):
  video, nll = _video(), tf.function(model, autograph=False)
  for slice_index in range(8):
    index = tf.constant([slice_index] * 2)
    before = np.reshape(nll(tf.constant(video), index), [2, -1])
    for position in range(0, 32, 5):
      slices = model.subscaling.split(tf.constant(video)).numpy()
      here = (slice(None), slice_index, *np.unravel_index(position, SLICE))
      slices[here] = 15 - slices[here]
      after = np.reshape(nll(model.subscaling.join(slices), index), [2, -1])
      np.testing.assert_array_equal(after[:, :position], before[:, :position])
      assert (after[:, position] != before[:, position]).all()
      assert (after[:, position + 1:] != before[:, position + 1:]).any()


def test_a_channel_is_conditioned_on_earlier_channels_alone(model):
  predictor = model.decoder.predictor
  rng = np.random.default_rng(2)
  y, channels = tf.constant(rng.normal(size=(7, 16)), tf.float32), rng.integers(16, size=(7, 6))

  def logits(channels):
    from_y = predictor._from_y(y)
    return [predictor._logits(from_y[k], tf.constant(channels[:, :k], tf.int32)).numpy()
            for k in range(6)]

  before = logits(channels)
  for k in range(6):
    changed = channels.copy()
    changed[:, k] = 15 - changed[:, k]
    for j, (old, new) in enumerate(zip(before, logits(changed))):
      assert np.array_equal(old, new) == (j <= k)
  log_p = [tf.nn.log_softmax(x).numpy()[range(7), channels[:, k]] for k, x in enumerate(before)]
  np.testing.assert_allclose(
      predictor.nll(y, tf.constant(channels, tf.int32)), -np.sum(log_p, 0), rtol=1e-5)


def test_channel_mlp_against_numpy(model):
  """Eqs. 7 and 8, with U_k in one piece."""
  predictor = model.decoder.predictor
  rng = np.random.default_rng(2)
  y, channels = rng.normal(size=(3, 16)).astype(np.float32), rng.integers(16, size=(3, 6))
  normed = (y - y.mean(1, keepdims=True)) / np.sqrt(y.var(1, keepdims=True) + 1e-6)
  normed = normed * predictor.norm.gamma.numpy() + predictor.norm.beta.numpy()
  expected = 0
  for k in range(6):
    u_k = np.concatenate([predictor.u_y.kernel.numpy()[:, 16 * k:16 * (k + 1)]]
                         + [layer.kernel.numpy() for layer in predictor.u_x[k - 1:k]])
    inputs = np.concatenate([normed] + [np.eye(16)[channels[:, j]] for j in range(k)], 1)
    logits = np.maximum(inputs @ u_k, 0) @ predictor.p.kernel.numpy()
    expected += np.log(np.exp(logits).sum(1)) - logits[range(3), channels[:, k]]
  np.testing.assert_allclose(
      predictor.nll(tf.constant(y), tf.constant(channels, tf.int32)), expected, rtol=1e-4)


class _Binary(pixel_bits.PixelBits):
  """One channel of one bit a colour: few enough videos to see them all."""

  def __init__(self):
    super().__init__(bits=1)
    self.parts = 1


def test_probabilities_of_all_videos_sum_to_one():
  shape, stack = (2, 1, 2, 2), functools.partial(SMALL, blocks=[(1, 1, 2), (1, 1, 1)])
  model = _tiny(shape, (2, 1, 1), stack, pixels=_Binary())
  videos = np.array(list(itertools.product([0, 1], repeat=8)), np.int32).reshape(-1, *shape)
  nats = sum(tf.reduce_sum(model(videos, tf.fill([256], i)), [1, 2, 3]) for i in range(2))
  probabilities = np.exp(-nats.numpy().astype(np.float64))
  np.testing.assert_allclose(probabilities.sum(), 1, rtol=1e-5)
  assert probabilities.std() > 1e-4  # and they differ


def _check_steps(model, starts, compiled=True):
  """Logits of every pixel by steps that are told the pixels one by one, against the full pass.

  `starts` are pairs of a slice's index and the first pixel that is not given.
  """
  video, predictor = tf.constant(_video()), model.decoder.predictor
  sampler = slice_sampling.SliceSampler(model.decoder)

  @functools.partial(tf.function, autograph=False, jit_compile=compiled)
  def steps(given, z, first):
    rows = tf.reshape(given, [2, 32, -1])
    known = tf.reshape(tf.range(32) < first, [1, *SLICE, 1])
    fixed, state = sampler.begin(tf.where(known, given, 0), z)

    def pixel(position, state, ys):
      y, state = sampler.step(position, fixed, state)
      state = sampler.write(position, state, tf.gather(rows, position, axis=1))
      return position + 1, state, xla_context.update_slice(ys, y[:, None], [0, position, 0])

    return tf.while_loop(lambda position, *_: position < 32, pixel,
                         (first, state, tf.zeros([2, 32, 16])))[2]

  def logits(y, given):
    of_channels = predictor._from_y(tf.reshape(y, [64, 16]))
    return tf.reshape(tf.stack([
        predictor._logits(of_channel, tf.reshape(given, [64, -1])[:, :k])
        for k, of_channel in enumerate(of_channels)], 1), [2, 32, 6, 16])

  for index, first in starts:
    given = model.subscaling.slice(video, tf.fill([2], index))
    z = model.encoder(video, tf.fill([2], index))
    got = logits(steps(given, z, tf.constant(first)), given)
    expected = logits(model.decoder(given, z), given)
    np.testing.assert_allclose(got[:, first:], expected[:, first:], atol=1e-4)


@pytest.mark.parametrize('compiled', [pytest.param(False, marks=pytest.mark.slow), True])
def test_steps_equal_the_full_pass(model, compiled):
  _check_steps(model, [(0, 0), (7, 16), (5, 7)], compiled)


@pytest.mark.parametrize('dilated, sentinel', [
    ((0,), True), *[pytest.param(*one, marks=pytest.mark.slow)
                    for one in (((0, 2), True), ((0, 2), False), ((), True))]])
def test_steps_of_the_variants(dilated, sentinel):
  """Also of two layers alone, of which one is dilated."""
  attention = functools.partial(
      block_attention.BlockLocalAttention, head_width=8, sentinel=sentinel)
  stack = functools.partial(SMALL, dilated=dilated, layers=2 if dilated == (0,) else 3,
                            attention=attention)
  _check_steps(_tiny(stack=stack), [(3, 0)], compiled=False)


def test_a_sample_changes_its_slice_alone(model):
  video = tf.constant(_video())
  drawn = [model.sample_slice(video, tf.constant(3), tf.constant(30), tf.constant([seed, 0]))
           for seed in (1, 1, 2)]
  before, after, again, other = (model.subscaling.split(x).numpy() for x in (video, *drawn))
  np.testing.assert_array_equal(after, again)
  assert (after != other).any()
  changed = before != after
  pixels = changed[:, 3].reshape([2, 32, -1])
  assert not np.delete(changed, 3, axis=1).any() and not pixels[:, :30].any()
  assert pixels[:, 30:].mean() > 0.8  # 15 of 16 for a uniform distribution


def test_samples_follow_the_distribution():
  """Frequencies of all values of a tiny video against their probabilities."""
  shape, stack = (1, 1, 2, 2), functools.partial(SMALL, blocks=[(1, 1, 2)])
  model = _tiny(shape, (1, 1, 1), stack, pixels=_Binary())
  videos = np.array(list(itertools.product([0, 1], repeat=4)), np.int32).reshape(-1, *shape)
  expected = np.exp(-tf.reduce_sum(model(videos, tf.zeros([16], tf.int32)), [1, 2, 3]))
  count = 16_384
  drawn = tf.function(model.sample_slice, jit_compile=True, autograph=False)(
      tf.zeros([count, *shape], tf.int32), tf.constant(0), tf.constant(0), tf.constant([1, 2]))
  frequencies = np.bincount(drawn.numpy().reshape(-1, 4) @ [8, 4, 2, 1], minlength=16) / count
  bound = 4 * np.sqrt(expected * (1 - expected) / count)
  assert (abs(frequencies - expected) < bound).all()
  assert (abs(1 / 16 - expected) > bound).any()  # a uniform sampler would be found out


def test_actions_reach_the_frames_after_them():
  model, video = _tiny(stack=ONE_LAYER, actions=2), tf.constant(_video())
  index, actions = tf.constant([7, 7]), np.zeros([2, 4, 2], np.float32)
  before = model.encoder(video, index, tf.constant(actions)).numpy()
  for frame, changes in ((0, True), (1, True), (2, True), (3, False)):
    changed = actions.copy()
    changed[:, frame] = 1
    after = model.encoder(video, index, tf.constant(changed)).numpy()
    assert (after != before).any() == changes  # slice 7 has frames 1 and 3
  rows = model.encoder._actions_of_slice(
      tf.reshape(tf.range(1.0, 17.0), [2, 4, 2]), tf.constant([0, 7]))[:, :, 0, 0].numpy()
  np.testing.assert_array_equal(rows[0], [[0, 0, 0, 0], [1, 2, 3, 4]])  # frames 0 and 2
  np.testing.assert_array_equal(rows[1], [[0, 0, 9, 10], [11, 12, 13, 14]])  # frames 1 and 3


def test_first_slice_has_a_decoder_of_its_own():
  first = video_transformer.VideoTransformer(
      SUBSCALE, video_transformer.SliceDecoder(functools.partial(SMALL, layers=2), embedding=8))
  model = _tiny(stack=ONE_LAYER, first_slice=first)
  assert (first.slices, model.slices) == (range(1), range(1, 8))
  assert len(first.decoder.stack.layers) == 2 * len(model.decoder.stack.layers)
  mine = {id(variable) for variable in model.trainable_variables}
  assert mine and not mine & {id(variable) for variable in first.variables}
  assert model.first_slice(_video(), tf.zeros([2], tf.int32)).shape == (2, *SLICE)


def test_intensities_against_numpy():
  """Appendix A.1."""
  model = _tiny((4, 8, 8, 1), stack=ONE_LAYER, predictor=channel_prediction.IntensityPredictor)
  predictor = model.decoder.predictor
  rng = np.random.default_rng(2)
  y, gray = tf.constant(rng.normal(size=(9, 16)), tf.float32), rng.integers(256, size=(9, 1))
  channels = model.pixels.split(gray.astype(np.uint8))
  p = 1 / (1 + np.exp(-predictor._logits(y).numpy().astype(np.float64)))
  z = gray[:, 0] / 255
  np.testing.assert_allclose(
      predictor.nll(y, channels), -z * np.log(p) - (1 - z) * np.log(1 - p), rtol=1e-4)
  drawn = model.pixels.join(predictor.draw(y, tf.constant([0, 0])))
  np.testing.assert_array_equal(drawn[:, 0], np.round(255 * p))
  z = np.clip(z, 1e-30, 1 - 1e-16)
  np.testing.assert_allclose(
      predictor.least_nats(channels), -z * np.log(z) - (1 - z) * np.log(1 - z),
      rtol=1e-5, atol=1e-6)


def test_intensities_are_gray():
  with pytest.raises(ValueError, match='needs gray videos, of one color, got 3'):
    _tiny(predictor=channel_prediction.IntensityPredictor)


@pytest.mark.parametrize('compiled', [False, pytest.param(True, marks=pytest.mark.slow)])
def test_rematerialization_changes_nothing(monkeypatch, compiled):
  z, found, rematerialized = tf.random.stateless_normal([2, *SLICE, 16], [1, 2]), [], []
  rematerialize = rematerialization.rematerialize
  monkeypatch.setattr(rematerialization, 'rematerialize',
                      lambda layer: rematerialized.append(layer) or rematerialize(layer))
  for wanted in (False, True):
    tf.keras.utils.set_random_seed(0)
    stack = SMALL(causal=True, layers=2, rematerialize=wanted)
    stack(z)

    def gradients(stack=stack):
      with tf.GradientTape() as tape:
        loss = tf.reduce_sum(stack(z)**2)
      return tape.gradient(loss, stack.trainable_variables)

    if wanted and compiled:  # XLA, which could take the second pass for the first
      gradients = tf.function(gradients, jit_compile=True, autograph=False)
    found.append(gradients())
  assert rematerialized == stack.layers
  for one, other in zip(*found, strict=True):
    np.testing.assert_allclose(tf.convert_to_tensor(one), tf.convert_to_tensor(other),
                               rtol=1e-3, atol=1e-4)


@pytest.mark.parametrize('pixels', [
    pixel_bits.PixelBits(one_hot=False), pixel_bits.PixelBits(one_hot=False, whole=False),
    pixel_bits.PixelBits(bits=8)], ids=['continuous', 'continuous_halves', 'unsplit'])
def test_pixels_of_the_variants(pixels):
  model = _tiny(stack=ONE_LAYER, pixels=pixels)
  video = tf.constant(_video(values=pixels.values, parts=pixels.parts))
  nll = model(video, tf.constant([0, 5])).numpy()
  assert nll.shape == (2, *SLICE) and np.isfinite(nll).all()
  assert model.decoder.predictor.u_x[0].kernel.shape[0] == pixels.values


def test_bfloat16_with_float32_probabilities():
  video, index, found = tf.constant(_video()), tf.constant([3, 6]), []
  for policy in ('float32', 'mixed_bfloat16'):
    tf.keras.mixed_precision.set_global_policy(policy)
    try:
      model = _tiny(stack=ONE_LAYER)
    finally:
      tf.keras.mixed_precision.set_global_policy('float32')
    with tf.GradientTape() as tape:
      nll = model(video, index)
      loss = tf.reduce_mean(nll)
    assert nll.dtype == tf.float32 and model.encoder(video, index).dtype == policy.split('_')[-1]
    gradients = tape.gradient(loss, model.trainable_variables)
    assert all(gradient is not None and gradient.dtype == tf.float32 for gradient in gradients)
    found.append(loss.numpy())
  np.testing.assert_allclose(found[1], found[0], rtol=0.05)
