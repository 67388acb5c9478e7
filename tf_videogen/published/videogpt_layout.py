"""Maps VideoGPT's released weights to our variables: their names and layouts.

Linear maps are [out, in] there and [in, out] here. Convolutions are [out, in, t, h, w] there and
[t, h, w, in, out] here. Transposed convolutions are [in, out, t, h, w] there and [t, h, w, out, in]
here.
"""

import numpy as np


def as_it_is(x):
  """Returns x unchanged; any shape -> the same shape."""
  return x


def kernel(x):
  """[out, in] -> [in, out]; [out, in, t, h, w] -> [t, h, w, in, out]."""
  return x.T if x.ndim == 2 else x.transpose(2, 3, 4, 1, 0)


def of_one_codebook(x):
  """[codes, dim] or [codes] -> [1, codes, dim] or [1, codes]."""
  return x[np.newaxis]


def gain_and_bias(gain, bias):
  """Two linear maps [width, classes] -> [classes, 2 * width]."""
  return np.concatenate([gain.T, bias.T], axis=1)


def _affine(name, layer):
  """Yields the entries of a linear map or a convolution, with its bias if it has one."""
  yield (f'{name}.weight',), layer.kernel, kernel
  if layer.use_bias:
    yield (f'{name}.bias',), layer.bias, as_it_is


def _norm(name, layer):
  """Yields the entries of a batch or layer normalization of Keras."""
  yield (f'{name}.weight',), layer.gamma, as_it_is
  yield (f'{name}.bias',), layer.beta, as_it_is
  if hasattr(layer, 'moving_mean'):
    yield (f'{name}.running_mean',), layer.moving_mean, as_it_is
    yield (f'{name}.running_var',), layer.moving_variance, as_it_is


def _attention(name, layer):
  yield from _affine(f'{name}.w_qs', layer.w_q)
  yield from _affine(f'{name}.w_ks', layer.w_k)
  yield from _affine(f'{name}.w_vs', layer.w_v)
  yield from _affine(f'{name}.fc', layer.w_o)


def _positions(name, embedding):
  for axis, table in enumerate(embedding.tables):
    yield (f'{name}.emb.d_{axis}',), table, as_it_is


def of_vqvae(vqvae, prefix=''):
  """Pairs all released weights of a VQ-VAE with our variables.

  Args:
    vqvae: a built models.vqvae.VQVAE.
    prefix: prefix of the weights' names.

  Yields:
    Entries (names, variable, function): names of released weights, our variable, and a function of
    the weights' arrays that returns the variable's value.
  """
  *down, last, stack = vqvae.encoder
  for i, layer in enumerate(down):
    yield from _affine(f'{prefix}encoder.convs.{i}.conv', layer)
  yield from _affine(f'{prefix}encoder.conv_last.conv', last)
  yield from _stack_pairs(f'{prefix}encoder.res_stack', stack)
  yield from _affine(f'{prefix}pre_vq_conv.conv', vqvae.to_latents)
  yield from _affine(f'{prefix}post_vq_conv.conv', vqvae.from_latents)
  stack, *up = vqvae.decoder
  yield from _stack_pairs(f'{prefix}decoder.res_stack', stack)
  for i, layer in enumerate(up):
    yield from _affine(f'{prefix}decoder.convts.{i}.convt', layer)
  quantizer = vqvae.quantizer
  for name, variable in (('embeddings', quantizer.codebook), ('N', quantizer.counts),
                         ('z_avg', quantizer.sums)):
    yield (f'{prefix}codebook.{name}',), variable, of_one_codebook


def _stack_pairs(name, stack):
  for i, block in enumerate(stack.blocks):
    inside = f'{name}.{i}.block'
    yield from _norm(f'{inside}.0', block.norm_1)
    yield from _affine(f'{inside}.2.conv', block.convolution_1)
    yield from _norm(f'{inside}.3', block.norm_2)
    yield from _affine(f'{inside}.5.conv', block.convolution_2)
    yield from _norm(f'{inside}.6', block.norm_3)
    for axis, layer in block.attention.along.items():
      yield from _attention(f'{inside}.8.attn_{axis.lower()}', layer)
  yield from _norm(f'{name}.{len(stack.blocks)}', stack.last_norm)


def of_prior(model, weights):
  """Pairs all released weights of a prior and its VQ-VAE with our variables.

  Args:
    model: a built models.videogpt.VideoGPT.
    weights: the checkpoint's `videogpt.Weights`. Their names show whether it has a start symbol,
      and how its norms are wrapped.

  Yields:
    See `of_vqvae`.
  """
  prior = model.prior
  yield from of_vqvae(model.vqvae, 'vqvae.')
  if model.frame_encoder is not None:
    yield from _resnet_pairs(model.frame_encoder, weights)
    yield from _positions('cond_pos_embd', model.frame_position)
  yield ('fc_in.weight',), prior.embedding, kernel
  if 'attn_stack.right_shift.sos' in weights.tensors:  # else the authors' code shifts zeros in
    yield ('attn_stack.right_shift.sos',), prior.start, as_it_is
  yield from _positions('attn_stack.pos_embd', prior.position)
  for i, block in enumerate(prior.blocks):
    name = f'attn_stack.attn_nets.{i}'
    norms = ['pre_attn_norm', 'pre_fc_norm']
    yield from _attention(f'{name}.attn', block.attention)
    if block.cross_attention is not None:
      norms.insert(1, 'pre_enc_norm')
      yield from _attention(f'{name}.enc_attn', block.cross_attention)
    for norm, layer in zip(norms, block.norms, strict=True):
      yield from _conditional_norm(f'{name}.{norm}', layer, model.classes)
    yield from _affine(f'{name}.fc_block.0', block.expand)
    yield from _affine(f'{name}.fc_block.2', block.contract)
  yield from _conditional_norm('norm', prior.norm, model.classes)
  yield ('fc_out.weight',), prior.output_map, kernel


def _conditional_norm(name, layer, classes_count):
  if classes_count:  # their gain is 1 + W c; ours starts at 1
    yield (f'{name}.w.weight', f'{name}.wb.weight'), layer.condition_kernel, gain_and_bias
  else:
    yield (f'{name}.g',), layer.gain, as_it_is
    yield (f'{name}.b',), layer.bias, as_it_is


def _resnet_pairs(resnet, weights):
  # The authors' code wraps layer norms twice and batch norms once.
  inner = '.norm.norm' if 'resnet.stem.1.norm.norm.weight' in weights.tensors else '.norm'

  def normed(convolution, norm, layer):
    yield from _affine(f'resnet.{convolution}', layer.convolution)
    yield from _norm(f'resnet.{norm}{inner}', layer.norm)

  yield from normed('stem.0', 'stem.1', resnet.stem)
  group, i = 0, 0
  for block in resnet.blocks:
    group, i = (group + 1, 0) if block.projection is not None else (group, i + 1)
    name = f'group{group}.' + (f'blocks.{i - 1}' if i else 'start_block')
    if block.projection is not None:
      yield from normed(f'{name}.proj_conv', f'{name}.proj_bnr', block.projection)
    yield from normed(f'{name}.conv1', f'{name}.bnr1', block.first)
    yield from normed(f'{name}.conv2', f'{name}.bnr2', block.second)
