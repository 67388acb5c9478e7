"""VideoGPT's released weights: names and shapes, sizes, and what is wrong with a file."""

import functools

import numpy as np
import pytest
import tensorflow as tf

from tests import shapes
from tests.published import small_models
from tests.published import torch_writer
from tf_videogen.layers import attention
from tf_videogen.layers import batch_norm
from tf_videogen.layers import layer_norm
from tf_videogen.published import videogpt as published
from tf_videogen.published import videogpt_layout

def _same_model(kind, bindings):
  """A new model of the sizes that bindings tell, for files of `_files`."""
  assert bindings['vqvae.VQVAE.downsampling'] == (4, 2, 2)
  sizes = {name.rpartition('.')[2]: value for name, value in bindings.items()}
  first = small_models.vqvae_of(sizes['downsampling'], sizes['codes'], sizes['dim'],
                                sizes['hidden'], bindings['vqvae.ResidualStack.layers'])
  if kind == 'vqvae':
    return small_models.built(first)
  norms = {None: None, '@layer_norm.LayerNorm': layer_norm.LayerNorm,
           '@batch_norm.SyncBatchNorm': batch_norm.SyncBatchNorm}
  return small_models.built(small_models.prior_of(
      first, bindings['videogpt.LatentTransformer.layers'],
      bindings['videogpt.LatentTransformer.width'], bindings['videogpt.VideoGPT.classes'],
      bindings.get('resnet3d.ResNet3D.depth'), norms[bindings.get('resnet3d.ResNet3D.norm')]))


@pytest.mark.parametrize('kind', ['vqvae', 'prior', 'classes', 'frames', 'batch_norm'])
def test_a_model_is_read_back(tmp_path, kind):
  weights = published.open_weights(small_models.write(tmp_path / 'a.ckpt', kind))
  assert weights.is_prior == (kind != 'vqvae')
  assert published.clip_shape(weights) == small_models.CLIP
  model = _same_model(kind, published.bindings(weights))
  published.assign(weights, model)
  expected = small_models.files(kind)[2]
  untold = {'data_variance', 'initialized', 'gain', 'bias'}  # where there is a condition
  for ours, theirs in zip(model.variables, expected.variables, strict=True):
    name = ours.name.rpartition('/')[2].partition(':')[0]
    if name not in untold or (name in ('gain', 'bias') and kind != 'classes'):
      np.testing.assert_allclose(ours, theirs, rtol=1e-6, err_msg=ours.name)
  first = model.vqvae if weights.is_prior else model
  assert first.data_variance == np.float32(0.06) and first.quantizer.initialized == 1


# --- the names and shapes of bair_gpt, written down from the authors' modules ---


def _linear(name, inputs, outputs, bias=False):
  return {f'{name}.weight': (outputs, inputs), **({f'{name}.bias': (outputs,)} if bias else {})}


def _convolution(name, kernel, inputs, outputs, bias=True):
  return {f'{name}.weight': (outputs, inputs) + (kernel,) * 3,
          **({f'{name}.bias': (outputs,)} if bias else {})}


def _normal(name, channels, running=True):
  parts = ['weight', 'bias'] + (['running_mean', 'running_var'] if running else [])
  return {f'{name}.{part}': (channels,) for part in parts}


def _attention(name, width, context, values):
  return {**_linear(f'{name}.w_qs', width, width), **_linear(f'{name}.w_ks', context, width),
          **_linear(f'{name}.w_vs', context, values), **_linear(f'{name}.fc', values, width, True)}


def _names_of_vqvae(hidden, codes, dim, blocks, stages):
  names = _convolution('encoder.convs.0.conv', 4, 3, hidden)
  for i in range(1, stages):
    names |= _convolution(f'encoder.convs.{i}.conv', 4, hidden, hidden)
  names |= _convolution('encoder.conv_last.conv', 3, hidden, hidden)
  for side in ('encoder', 'decoder'):
    for i in range(blocks):
      block = f'{side}.res_stack.{i}.block'
      names |= _normal(f'{block}.0', hidden)
      names |= _convolution(f'{block}.2.conv', 3, hidden, hidden // 2, bias=False)
      names |= _normal(f'{block}.3', hidden // 2)
      names |= _convolution(f'{block}.5.conv', 1, hidden // 2, hidden, bias=False)
      names |= _normal(f'{block}.6', hidden)
      for axis in 'wht':
        names |= _attention(f'{block}.8.attn_{axis}', hidden, hidden, hidden)
    names |= _normal(f'{side}.res_stack.{blocks}', hidden)
  for i in range(stages):  # transposed: inputs first
    outputs = 3 if i == stages - 1 else hidden
    names |= {f'decoder.convts.{i}.convt.weight': (hidden, outputs, 4, 4, 4),
              f'decoder.convts.{i}.convt.bias': (outputs,)}
  names |= _convolution('pre_vq_conv.conv', 1, hidden, dim)
  names |= _convolution('post_vq_conv.conv', 1, dim, hidden)
  return names | {'codebook.embeddings': (codes, dim), 'codebook.N': (codes,),
                  'codebook.z_avg': (codes, dim)}


def _names_of_resnet(blocks, units):
  def convolved(convolution, norm, kernel, inputs, outputs):
    return {**_convolution(f'resnet.{convolution}', kernel, inputs, outputs, bias=False),
            **_normal(f'resnet.{norm}.norm.norm', outputs, running=False)}

  names, inputs = convolved('stem.0', 'stem.1', 3, 3, 64), 64
  for group, (count, outputs) in enumerate(zip(blocks, (64, 128, 256, units)), 1):
    for i in range(count):
      name = f'group{group}.' + (f'blocks.{i - 1}' if i else 'start_block')
      if i == 0:
        names |= convolved(f'{name}.proj_conv', f'{name}.proj_bnr', 1, inputs, outputs)
      names |= convolved(f'{name}.conv1', f'{name}.bnr1', 3, inputs, outputs)
      names |= convolved(f'{name}.conv2', f'{name}.bnr2', 3, outputs, outputs)
      inputs = outputs
  return names


def _names_of_bair_gpt(width=576, layers=8, units=240):
  names = {f'vqvae.{name}': shape
           for name, shape in _names_of_vqvae(240, 2048, 256, 4, 2).items()}
  names |= _names_of_resnet((3, 4, 6, 3), units)
  names |= {f'cond_pos_embd.emb.d_{i}': (n, units // 3) for i, n in enumerate((1, 16, 16))}
  names |= {f'attn_stack.pos_embd.emb.d_{i}': (n, width // 3) for i, n in enumerate((4, 32, 32))}
  names |= {'attn_stack.right_shift.sos': (width,)} | _linear('fc_in', 256, width)
  for i in range(layers):
    block = f'attn_stack.attn_nets.{i}'
    for norm in ('pre_attn_norm', 'pre_enc_norm', 'pre_fc_norm'):
      names |= {f'{block}.{norm}.g': (width,), f'{block}.{norm}.b': (width,)}
    names |= _attention(f'{block}.attn', width, width, width)
    names |= _attention(f'{block}.enc_attn', width, units, units)
    names |= _linear(f'{block}.fc_block.0', width, 4 * width, True)
    names |= _linear(f'{block}.fc_block.2', 4 * width, width, True)
  return names | {'norm.g': (width,), 'norm.b': (width,)} | _linear('fc_out', width, 2048)


class _Shape:
  """A tensor without numbers."""

  def __init__(self, shape):
    self.shape = shape


def _laid_out(shape, layout):
  """The shape that a layout makes of a shape."""
  if layout is videogpt_layout.kernel:
    return shape[::-1] if len(shape) == 2 else shape[2:] + shape[1::-1]
  return (1,) + shape if layout is videogpt_layout.of_one_codebook else shape


@pytest.mark.parametrize('layers', [2, pytest.param(8, marks=pytest.mark.slow)])
def test_names_and_shapes_of_bair_gpt(layers):
  """With a few of its layers, which have as many each; or with all."""
  names = _names_of_bair_gpt(layers=layers)
  weights = published.Weights('bair_gpt', {n: _Shape(shape) for n, shape in names.items()}, {
      'sequence_length': 16, 'resolution': 64, 'heads': 4, 'attn_type': 'full',
      'attn_dropout': 0.3, 'dropout': 0.2})
  bindings = published.bindings(weights)
  assert bindings['vqvae.VQVAE.downsampling'] == (4, 2, 2)
  assert bindings['resnet3d.ResNet3D.depth'] == (3, 4, 6, 3)
  sizes = {name.rpartition('.')[2]: value for name, value in bindings.items()}
  pattern = functools.partial(attention.CausalAttention, query_chunk=4096)  # the smallest graph
  with shapes.alone():
    first = small_models.vqvae_of(sizes['downsampling'], sizes['codes'], sizes['dim'],
                                  sizes['hidden'], bindings['vqvae.ResidualStack.layers'])
    model = small_models.prior_of(first, bindings['videogpt.LatentTransformer.layers'],
                   bindings['videogpt.LatentTransformer.width'], blocks=sizes['depth'],
                   pattern=pattern, units=sizes['units'], resnet_width=64)
    tf.autograph.experimental.do_not_convert(model.build)((None, 16, 64, 64, 3))
    pairs = list(videogpt_layout.of_prior(model, weights))
  assert {name for named, _, _ in pairs for name in named} == set(names)
  assert bindings['vqvae.ResidualStack.units'] == 120
  for (name,), variable, layout in pairs:
    assert _laid_out(names[name], layout) == tuple(variable.shape), name
  told = {id(variable) for _, variable, _ in pairs}
  untold = [v.name for v in model.variables if id(v) not in told]
  assert sorted(name.rpartition('/')[2] for name in untold) == [
      'data_variance:0', 'downsampling:0', 'initialized:0']


# --- what is wrong with a file ---


def _refused(path, match, vqvae=None):
  with pytest.raises(ValueError, match=match) as error:
    weights = published.open_weights(path)
    published.bindings(weights, vqvae and published.open_weights(vqvae))
  assert '\n' not in str(error.value)


@pytest.mark.parametrize('saved, match', [
    ([1, 2], 'has a list, not the parts of a checkpoint'),
    ({'module': {}, 'ds_version': '0.3'}, 'a checkpoint of DeepSpeed: convert it to one file'),
    ({'state_dict': {'fc_in.weight': np.zeros((1, 1))}, 'hp': {}, 'dset_configs': {}},
     'of wilson1yan/VideoGPT-Paper, which has other names'),
    ({'model': {}}, 'has no state_dict of weights'),
    ({'state_dict': {'a': 1}}, 'has no state_dict of weights'),
    # TATS, and LVT (fairseq)
    ({'state_dict': {'encoder.conv_first.conv.weight': np.zeros(1)}, 'hyper_parameters': {}},
     'is another model: .* but encoder.conv_first.conv.weight'),
    ({'args': None, 'model': {'decoder.embed.weight': np.zeros(1)}}, 'has no state_dict')])
def test_other_models(tmp_path, saved, match):
  torch_writer.save(tmp_path / 'a.ckpt', saved)
  _refused(str(tmp_path / 'a.ckpt'), match)


@pytest.mark.parametrize('kind, arguments, match', [
    ('vqvae', {'downsample': None}, 'its argument downsample is None, but must be three factors'),
    ('vqvae', {'downsample': (4, 2)}, 'must be three factors'),
    ('vqvae', {'downsample': (8, 2, 2)}, 'has 2 strided convolutions, of a factor of 4'),
    ('vqvae', {'downsample': (3, 2, 2)}, r'divides clips by \(3, 2, 2\)'),
    ('prior', {'sequence_length': None}, 'sequence_length is None, but must be the number of'),
    ('prior', {'resolution': 20}, 'do not divide clips of .* give the file of its VQ-VAE'),
    ('prior', {'resolution': 128}, r'divides clips by \(4, 16, 16\)'),
    ('prior', {'heads': 5}, 'heads is 5, but must be a number that divides the width 48'),
    ('prior', {'attn_type': 'axial'}, "must be 'full' or 'sparse'"),
    ('prior', {'dropout': 'a'}, 'must be a rate')])
def test_arguments_that_do_not_fit(tmp_path, kind, arguments, match):
  _refused(small_models.write(tmp_path / 'a.ckpt', kind, **arguments), match)


@pytest.mark.parametrize('kind, name, value', [
    ('prior', 'fc_in.weight', np.float32(1)), ('prior', 'vqvae.codebook.embeddings', np.ones(3)),
    ('prior', 'attn_stack.pos_embd.emb.d_1', np.ones((0, 4))),
    ('vqvae', 'codebook.embeddings', np.ones((1, 2, 3))),
    ('frames', 'resnet.stem.0.weight', np.ones((2, 2)))])
def test_weights_of_other_axes(tmp_path, kind, name, value):
  value = np.asarray(value, np.float32)
  _refused(small_models.write(tmp_path / 'a.ckpt', kind, {name: value}),
           f'{name} has the shape .*, not . axes of numbers')


def test_a_long_argument_is_told_in_short(tmp_path):
  nested = []
  for _ in range(200):
    nested = [nested, nested]
  path = small_models.write(tmp_path / 'a.ckpt', 'prior', heads=nested)
  _refused(path, r'its argument heads is \[\[')


def test_weights_that_share_numbers_are_no_larger_than_the_file(tmp_path):
  weights = published.open_weights(small_models.write(tmp_path / 'a.ckpt', 'vqvae'))
  assert sum(tensor.size for tensor in weights.tensors.values()) > 1000
  with pytest.MonkeyPatch.context() as patch:
    patch.setattr(published.os.path, 'getsize', lambda path: 1000)
    with pytest.raises(ValueError, match='its weights are larger than the file|compressed'):
      published.open_weights(str(tmp_path / 'a.ckpt'))


def test_the_file_of_a_vqvae_tells_the_factors(tmp_path):
  first = small_models.write(tmp_path / 'vqvae.ckpt', 'vqvae')
  # The prior's own VQ-VAE has other weights than this one.
  prior = small_models.write(tmp_path / 'prior.ckpt', 'prior', resolution=20)
  _refused(prior, 'is not the VQ-VAE of .*differs', first)
  own = {name.removeprefix('vqvae.'): value
         for name, value in small_models.files('prior')[0].items() if name.startswith('vqvae.')}
  first = small_models.write(tmp_path / 'vqvae.ckpt', 'vqvae', own)
  told = published.bindings(published.open_weights(prior), published.open_weights(first))
  assert told['vqvae.VQVAE.downsampling'] == (4, 2, 2)
  _refused(prior, 'is a prior, not a VQ-VAE', prior)


@pytest.mark.parametrize('kind, name', [
    ('vqvae', 'pre_vq_conv.conv.bias'), ('prior', 'fc_out.weight'),
    ('prior', 'vqvae.codebook.N'), ('frames', 'resnet.group2.start_block.bnr1.norm.norm.weight')])
def test_weights_that_do_not_fit(tmp_path, kind, name):
  """No weight is assigned then, not even one that fits."""
  state, _, model = small_models.files(kind)
  before = [variable.numpy() for variable in model.variables]
  missing = published.open_weights(small_models.write(tmp_path / 'a.ckpt', kind, without=[name]))
  with pytest.raises(ValueError, match=f'has no {name}, which the model has'):
    published.assign(missing, model)
  extra = published.open_weights(
      small_models.write(tmp_path / 'a.ckpt', kind, {'ema.weight': np.zeros(1)}))
  with pytest.raises(ValueError, match='has ema.weight, which the model does not have'):
    published.assign(extra, model)
  others = {other: value + 1 for other, value in state.items()}
  value = state[name]
  wrong = {**others, name: np.zeros((7,) + value.shape[1:], np.float32)}
  other = published.open_weights(small_models.write(tmp_path / 'a.ckpt', kind, wrong))
  with pytest.raises(ValueError, match=rf'{name} has the shape \(7.*the model needs') as error:
    published.assign(other, model)
  assert '\n' not in str(error.value)
  nan = published.open_weights(
      small_models.write(tmp_path / 'a.ckpt', kind, {**others, name: value * np.nan}))
  with pytest.raises(ValueError, match=f'{name} has values that are not finite'):
    published.assign(nan, model)
  for variable, value in zip(model.variables, before, strict=True):
    np.testing.assert_array_equal(variable, value)


def test_zeros_are_shifted_in_where_no_start_was_learned(tmp_path):
  path = small_models.write(tmp_path / 'a.ckpt', 'prior', without=['attn_stack.right_shift.sos'])
  weights = published.open_weights(path)
  model = _same_model('prior', published.bindings(weights))
  published.assign(weights, model)
  assert not np.any(model.prior.start)
