"""The two tasks of VideoGPT: a VQ-VAE, and a prior over its codes.

Videos are uint8 outside of this module. Only here they are converted to floats in [-0.5, 0.5]
(section 4.1), and back to uint8.

`statistics` returns sums over the valid examples of a batch. The evaluator adds up the sums of all
batches, replicas and hosts, and `metrics` computes the metrics from them.
"""
import numpy as np
import tensorflow as tf

from tf_videogen import objectives
from tf_videogen.metrics import image_quality
from tf_videogen.model_directory import checkpoints
from tf_videogen.tasks import task


def to_float(video):
  """Converts uint8 [...] to float32 in [-0.5, 0.5]."""
  return tf.cast(video, tf.float32) / 255.0 - 0.5


AUTHORS_VARIANCE = 0.06  # the divisor of squared errors in the authors' code, for all data sets


def to_uint8(video, truncates=False):
  """Clips floats [...] to [-0.5, 0.5] and converts them to uint8.

  Args:
    video: float [...].
    truncates: whether values are truncated to integers, as in the authors' evaluation, instead of
      rounded.

  Raises:
    FloatingPointError: outside of graphs, if a value is not finite.
  """
  task.refuse_nan(video)
  video = tf.clip_by_value(tf.cast(video, tf.float32) + 0.5, 0.0, 1.0)
  return tf.cast(video * 255.0 if truncates else tf.round(video * 255.0), tf.uint8)


def variance_of(clips, examples=1000):
  """Variance of the pixel values of training clips, scaled to [-0.5, 0.5].

  Section 4.1 divides the squared error by this "variance of the dataset".

  Args:
    clips: the data, see `data.clips`.
    examples: number of training clips, rounded up to a multiple of 16. They are the first ones in
      the order of seed 0.

  Raises:
    ValueError: if the variance is 0.
  """
  total, total_of_squares, count = 0, 0, 0  # integers, so that nothing is rounded
  batch_size = 16
  for batch in clips.training(batch_size, seed=0).take(-(-examples // batch_size)):
    values = batch['video'].numpy().astype(np.int64)
    total += int(values.sum())
    total_of_squares += int((values**2).sum())
    count += values.size
  variance = (count * total_of_squares - total**2) / (255 * count)**2
  if not variance > 0:
    raise ValueError('all pixels of the training clips have one value: their variance is 0, so '
                     'nothing can be learned from them')
  return variance


class VQVAETask(task.LossTask):
  """Trains a VQ-VAE.

  The loss is the squared error, divided by the variance of the data set, plus the weighted
  commitment loss (sections 2.1, 4.1).

  Args:
    model: a VQVAE.
    commitment_cost: weight of the commitment loss, beta of section 2.1.
    data_variance: a fixed variance in place of the data set's, which is used if None. The authors'
      code uses 0.06 for all data sets.
    truncates: see `to_uint8`.
  """

  cannot_sample = 'VQVAETask has nothing to sample from; sample from the directory of a prior'
  reconstructs = True

  def __init__(self, model, commitment_cost=0.25, data_variance=None, truncates=False):
    super().__init__(model)
    self.commitment_cost = commitment_cost
    self.data_variance = data_variance
    self.truncates = truncates

  def build(self, clip_shape):
    """Creates the variables for clips of shape (T, H, W, C)."""
    self.model.build((None,) + tuple(clip_shape))

  def initialize(self, clips):
    """Stores `data_variance`, or computes and stores the variance of the training split."""
    self.model.data_variance.assign(self.data_variance or variance_of(clips))

  def loss(self, batch, seed):
    """The terms of the loss, means over this replica's clips."""
    video = to_float(batch['video'])
    reconstruction, quantized = self.model(video, training=True, seed=seed)
    squared_error = tf.reduce_mean(objectives.squared_error(reconstruction, video))
    nmse = squared_error / self.model.data_variance
    return {'loss': nmse + self.commitment_cost * quantized.commitment, 'nmse': nmse,
            'commitment': quantized.commitment}

  def statistics(self, batch, seed):
    """Sums over valid clips: squared errors, PSNR, SSIM, and the number of uses of each code."""
    del seed
    video, valid = to_float(batch['video']), batch['valid']
    reconstruction, quantized = self.model(video, training=False)
    shown = to_uint8(reconstruction, self.truncates)
    psnr = tf.reduce_mean(image_quality.psnr(shown, batch['video']), axis=1)  # [B, T] -> [B]
    ssim = tf.reduce_mean(image_quality.ssim(shown, batch['video']), axis=1)
    return {
        'examples': tf.reduce_sum(tf.cast(valid, tf.float32)),
        'squared_error': objectives.sum_of_valid(
            objectives.squared_error(reconstruction, video), valid),
        'psnr': objectives.sum_of_valid(psnr, valid),
        'ssim': objectives.sum_of_valid(ssim, valid),
        'uses': self._uses(quantized.codes, valid),
    }

  def _uses(self, codes, valid):
    """Counts the uses of each code in valid clips.

    Args:
      codes: int32 [B, t, h, w, C], for C codebooks of K codes.
      valid: bool [B].

    Returns:
      float32 [C, K].
    """
    quantizer = self.model.quantizer
    flat = tf.reshape(codes + tf.range(quantizer.codebooks) * quantizer.codes, [-1])
    valid = tf.cast(valid, tf.float32)[:, None, None, None, None]
    weights = tf.reshape(tf.broadcast_to(valid, tf.shape(codes)), [-1])
    uses = tf.math.unsorted_segment_sum(weights, flat, quantizer.codebooks * quantizer.codes)
    return tf.reshape(uses, [quantizer.codebooks, quantizer.codes])

  def metrics(self, sums):
    """NMSE (Table 3), PSNR, SSIM, and the codebooks' perplexity and share of used codes.

    The last two are means over the codebooks. `nmse_fixed_variance` is the NMSE that the authors'
    code reports: the squared error divided by AUTHORS_VARIANCE.
    """
    count = sums['examples']
    frequencies = sums['uses'] / np.sum(sums['uses'], axis=1, keepdims=True)
    entropy = -np.sum(frequencies * np.log(np.maximum(frequencies, 1e-30)), axis=1)
    return {
        'nmse': sums['squared_error'] / count / float(self.model.data_variance.numpy()),
        'nmse_fixed_variance': sums['squared_error'] / count / AUTHORS_VARIANCE,
        'psnr': sums['psnr'] / count,
        'ssim': sums['ssim'] / count,
        'codebook_perplexity': float(np.mean(np.exp(entropy))),
        'codebook_usage': float(np.mean(sums['uses'] > 0)),
    }

  def previews(self, batch, seed):
    """Clips and their reconstructions, uint8 [B, T, H, W, C] each."""
    del seed
    return {'data': batch['video'], 'reconstructions': self.reconstruct(batch)}

  def reconstruct(self, batch):
    """Encodes and decodes clips: uint8 [B, T, H, W, C]."""
    reconstruction, _ = self.model(to_float(batch['video']), training=False)
    return to_uint8(reconstruction, self.truncates)


class VideoGPTTask(task.LossTask):
  """Trains the prior of a VideoGPT on the codes of a frozen VQ-VAE.

  Args:
    model: a VideoGPT.
    vqvae_dir: model directory of the VQ-VAE. It is read once, when the prior's directory is new.
      Use '' if the prior starts from trained weights, which contain a VQ-VAE.
    truncates: see `to_uint8`.
  """

  reconstructs = True

  def __init__(self, model, vqvae_dir, truncates=False):
    super().__init__(model)
    self.vqvae_dir = vqvae_dir
    self.truncates = truncates

  @property
  def conditioning_frames(self):
    """Number of first frames of a sample that are given."""
    return self.model.conditioning_frames

  @property
  def conditions(self):
    """The inputs of a sample besides its first frames: 'label', 'actions', both or neither."""
    wanted = {'label': self.model.classes, 'actions': self.model.actions}
    return [name for name in wanted if wanted[name]]

  @property
  def classes(self):
    """Number of classes, 0 without classes."""
    return self.model.classes

  def build(self, clip_shape):
    """Creates the variables for clips of shape (T, H, W, C)."""
    self._frames = clip_shape[0]
    self.model.build((None,) + tuple(clip_shape))

  def initialize(self, clips):
    """Loads the trained VQ-VAE. Without `vqvae_dir`, keeps the one in the weights to start from.

    Raises:
      FileNotFoundError: if there is no checkpoint.
      ValueError: if the VQ-VAE is another configuration's.
    """
    del clips
    vqvae = self.model.vqvae
    if not self.vqvae_dir and vqvae.quantizer.initialized > 0:
      return  # the model has the VQ-VAE of the weights that it starts from
    checkpoints.load_part(self.vqvae_dir, 'the VQ-VAE', model=vqvae)
    trained = tuple(vqvae.stored_downsampling.numpy().tolist())
    if trained != vqvae.downsampling:
      raise ValueError(f'the VQ-VAE in {self.vqvae_dir} has downsampling {trained}, but this '
                       f'config has {vqvae.downsampling}; use its own config, or another VQ-VAE')

  def _conditions(self, batch, training=False):
    video, actions = to_float(batch['video']), batch.get('actions')
    if actions is not None and actions.shape[1] > self._frames:  # longer clips than the model's
      actions = actions[:, :self._frames]
    return self.model.conditions(
        video=video, label=batch.get('label'), actions=actions, training=training)

  def _nll(self, batch, seed=None):
    codes = tf.stop_gradient(self.model.vqvae.codes(to_float(batch['video'])))
    logits = self.model(codes, self._conditions(batch, training=seed is not None), seed)
    return objectives.categorical_nll(logits, tf.reshape(codes, [-1, self.model.prior.tokens]))

  def loss(self, batch, seed):
    """The terms of the loss, means over this replica's clips.

    The loss is in nats per code. `bits_per_code` is the paper's bits/dim.
    """
    nats_per_code = tf.reduce_mean(self._nll(batch, seed)) / self.model.prior.tokens
    return {'loss': nats_per_code, 'nats_per_code': nats_per_code,
            'bits_per_code': nats_per_code / np.log(2.0)}

  def statistics(self, batch, seed):
    """Sums over valid clips: their number and their nats."""
    del seed
    return {'examples': tf.reduce_sum(tf.cast(batch['valid'], tf.float32)),
            'nats': objectives.sum_of_valid(self._nll(batch), batch['valid'])}

  def metrics(self, sums):
    """Nats per clip, nats per code, and bits per code.

    Nats per code are the "loss" of section 4.5. Bits per code are the paper's bits/dim.
    """
    nats_per_clip = sums['nats'] / sums['examples']
    nats_per_code = nats_per_clip / self.model.prior.tokens
    return {'nats_per_clip': nats_per_clip, 'nats_per_code': nats_per_code,
            'bits_per_code': nats_per_code / np.log(2.0)}

  def previews(self, batch, seed):
    """Clips, reconstructions, and samples for the same conditions, uint8 [B, T, H, W, C] each."""
    return {'data': batch['video'], 'reconstructions': self.reconstruct(batch),
            'samples': self.sample(batch, seed)}

  def reconstruct(self, batch):
    """Encodes and decodes clips with the VQ-VAE: uint8 [B, T, H, W, C]."""
    codes = self.model.vqvae.codes(to_float(batch['video']))
    return to_uint8(self.model.vqvae.decode_codes(codes), self.truncates)

  def sample(self, batch, seed, temperature=1.0, top_k=None, top_p=None):
    """Samples one clip for the conditions of each clip of the batch: frames, label, actions.

    Args:
      batch: a batch of the data. Of an unconditional model's batch, only the size is read.
      seed: int32 [2].
      temperature: divisor of the logits, above 0.
      top_k, top_p: see `VideoGPT.sample_codes`.

    Returns:
      uint8 [B, T, H, W, C].

    Raises:
      ValueError: if the temperature is not above 0.
    """
    if temperature <= 0:
      raise ValueError(f'temperature must be above 0, got {temperature}')
    clips, *how = int(batch['video'].shape[0]), temperature, top_k, top_p
    draw = self._program((clips, *how), lambda conditions, seed: self.model.sample_codes(
        clips, conditions, seed, *how))
    codes = draw(self._conditions(batch), seed)
    return to_uint8(self.model.vqvae.decode_codes(codes), self.truncates)
