"""Why two FVDs of the same videos differ: the reference, and variants that change one thing each.

A variant changes the network or its preprocessing, the frames of a side before it, or how the
distance is made of the network's outputs. Four sets of changes are what public code does:

- `videogpt`: wilson1yan/VideoGPT-Paper, scripts/compute_fvd_avg_samples.py, and the code of
  JunyaoHu/common_metrics_on_video_quality with that name;
- `stylegan_v`: universome/stylegan-v, src/metrics/frechet_video_distance.py; it resizes frames in a
  TorchScript file that we have not seen, and says that this differs from TensorFlow's: we take the
  half-pixel convention, PyTorch's;
- `common_metrics`: JunyaoHu/common_metrics_on_video_quality, its method `styleganv`;
- `cd_fvd`: songweige/content-debiased-fvd with the network `i3d`.

We read their code, and have not run it. Which clips they take from longer videos is not part of
these sets.
"""

import dataclasses
import io

import av
import numpy as np
from PIL import Image
import scipy.linalg
import tqdm

from tf_videogen import bars
from tf_videogen.evaluation import extraction
from tf_videogen.evaluation import measuring
from tf_videogen.evaluation import parts
from tf_videogen.evaluation import protocols
from tf_videogen.evaluation import videos
from tf_videogen.metrics import frechet
from tf_videogen.training import strategies

NETWORK = 'i3d_kinetics400'
_FEW = 8  # the variant with few videos has one of so many, as 256 are of 2,048


@dataclasses.dataclass(frozen=True)
class Variant:
  """A way to compute FVD.

  Attributes:
    name: name of the variant.
    what: what differs from the reference, a phrase.
    changes: names of `networks.CHANGES`, for the network of both sides.
    changes_generated: the same for generated videos alone, in the place of `changes`.
    real, generated: names of TRANSFORMS of the two sides; '' for none.
    distance: name of DISTANCES.
    few: whether only the first eighth of the videos of each side counts.
    windows: whether real clips are random windows; only if there are such.
  """
  name: str
  what: str
  changes: tuple = ()
  changes_generated: tuple | None = None
  real: str = ''
  generated: str = ''
  distance: str = ''
  few: bool = False
  windows: bool = False

  def needs(self):
    """[(side, changes, transform)] of the outputs that it compares, the real ones first."""
    changed = self.changes if self.changes_generated is None else self.changes_generated
    return [('windows' if self.windows else 'real', self.changes, self.real),
            ('generated', changed, self.generated)]


# --- transforms of a batch, uint8 [N, T, H, W, C] -> the same ---


def _encoded(crf):
  def every(batch):
    return np.stack([_through_h264(video, crf) for video in batch])
  return every


def _through_h264(video, crf):
  """A video after H.264 at a constant rate factor, with halved colors (4:2:0), at its size."""
  grey = video.shape[-1] == 1
  frames = np.repeat(video, 3, -1) if grey else video
  height, width = video.shape[1:3]
  padded = np.pad(frames, ((0, 0), (0, height % 2), (0, width % 2), (0, 0)), 'edge')
  file = io.BytesIO()
  with av.open(file, 'w', format='mp4') as container:
    stream = container.add_stream('h264', rate=25)
    stream.height, stream.width = padded.shape[1:3]
    stream.pix_fmt, stream.options = 'yuv420p', {'crf': str(crf)}
    for frame in padded:
      container.mux(stream.encode(av.VideoFrame.from_ndarray(np.ascontiguousarray(frame), 'rgb24')))
    container.mux(stream.encode())
  file.seek(0)
  with av.open(file) as container:
    decoded = np.stack([frame.to_ndarray(format='rgb24') for frame in container.decode(video=0)])
  decoded = decoded[:, :height, :width]
  return decoded[..., :1] if grey else decoded


def _palettes(batch):
  """Frames with 256 colors each, chosen by median cut, without dithering."""
  def of_frame(frame):
    if frame.shape[-1] == 1:
      return frame
    reduced = Image.fromarray(frame).quantize(256, Image.Quantize.MEDIANCUT, dither=0)
    return np.asarray(reduced.convert('RGB'))
  return np.stack([[of_frame(frame) for frame in video] for video in batch])


def _ten_repeated(batch):
  """The first 10 frames, repeated to as many as there were."""
  return batch[:, np.arange(batch.shape[1]) % 10]


TRANSFORMS = {
    '': lambda batch: batch, 'truncated': videos.truncated, 'gif': _palettes,
    'h264_18': _encoded(18), 'h264_23': _encoded(23), 'h264_28': _encoded(28),
    'ten_repeated': _ten_repeated}


# --- distances of outputs, float32 [N, D] each ---


def _reference(a, b):
  return frechet.distance(*(frechet.gaussian(frechet.sums(rows)) for rows in (a, b)))


def _over_n(a, b):
  """Covariances divide by n."""
  return frechet.distance(*(_with_covariance(rows, (len(rows) - 1) / len(rows))
                            for rows in (a, b)))


def _with_covariance(rows, factor):
  gaussian = frechet.gaussian(frechet.sums(rows))
  return gaussian._replace(covariance=gaussian.covariance * factor)


def _float32(a, b):
  """Means, covariances and square roots in float32, by singular values."""
  means, covariances = zip(*(
      (rows.mean(0), np.cov(rows, rowvar=False, dtype=np.float32))
      for rows in (np.asarray(a, np.float32), np.asarray(b, np.float32))))
  def root(matrix):
    left, values, right = np.linalg.svd(matrix)
    return (left * np.where(values < 1e-10, values, np.sqrt(values))) @ right
  first = root(covariances[0])
  trace = np.trace(covariances[0] + covariances[1])
  return float(np.sum((means[0] - means[1])**2) + trace
               - 2 * np.trace(root(first @ covariances[1] @ first)))


def _sqrtm(a, b, over_n=False):
  """SciPy's square root of the product of the covariances, the real part of it."""
  gaussians = [_with_covariance(rows, (len(rows) - 1) / len(rows) if over_n else 1)
               for rows in (a, b)]
  root = scipy.linalg.sqrtm(gaussians[1].covariance @ gaussians[0].covariance)
  spread = gaussians[0].covariance + gaussians[1].covariance - 2 * root
  return float(np.sum((gaussians[0].mean - gaussians[1].mean)**2) + np.real(np.trace(spread)))


DISTANCES = {'': _reference, 'over_n': _over_n, 'float32': _float32, 'sqrtm': _sqrtm,
             'sqrtm_over_n': lambda a, b: _sqrtm(a, b, over_n=True)}

VARIANTS = (
    Variant('reference', 'the code of the authors of FVD'),
    Variant('half_pixels', 'half-pixel resizing of both sides', ('half_pixels',)),
    Variant('half_pixels_one_side', 'half-pixel resizing of generated videos alone',
            changes_generated=('half_pixels',)),
    Variant('crop', 'the shorter side scaled to 224, the middle cut out', ('crop',)),
    Variant('values_0_1', 'pixels in [0, 1]', ('values_0_1',)),
    Variant('values_half', 'pixels in [-0.5, 0.5]', ('values_half',)),
    Variant('epsilon', 'epsilon of batch norm 1e-5, not 1e-3', ('epsilon',)),
    Variant('tf32', 'factors rounded as by TensorFloat-32', ('tf32',)),
    Variant('truncated', 'generated pixels truncated to whole numbers, not rounded',
            generated='truncated'),
    Variant('h264_18', 'generated videos through H.264, quality 18', generated='h264_18'),
    Variant('h264_23', 'generated videos through H.264, quality 23', generated='h264_23'),
    Variant('h264_28', 'generated videos through H.264, quality 28', generated='h264_28'),
    Variant('gif', 'generated frames with palettes of 256 colors', generated='gif'),
    Variant('ten_repeated', '10 frames repeated to the length, on both sides',
            real='ten_repeated', generated='ten_repeated'),
    Variant('float32', 'means, covariances and roots in float32', distance='float32'),
    Variant('over_n', 'covariances over n, not n - 1', distance='over_n'),
    Variant('sqrtm', "SciPy's sqrtm", distance='sqrtm'),
    Variant('few', 'an eighth of the videos of each side, as 256 of 2,048', few=True),
    Variant('windows', 'random windows of real videos, not the first', windows=True),
    Variant('videogpt', 'as VideoGPT: half pixels, crop, epsilon, truncation, float32',
            ('half_pixels', 'crop', 'epsilon'), real='truncated', generated='truncated',
            distance='float32'),
    Variant('stylegan_v', 'as StyleGAN-V: half pixels, sqrtm over n', ('half_pixels',),
            distance='sqrtm_over_n'),
    Variant('common_metrics', 'as common_metrics: half pixels, crop, sqrtm',
            ('half_pixels', 'crop'), distance='sqrtm'),
    Variant('cd_fvd', 'as cd-fvd: half pixels, epsilon, truncation, sqrtm over n',
            ('half_pixels', 'epsilon'), real='truncated', generated='truncated',
            distance='sqrtm_over_n'))


def run(real, generated, strategy, batch_size=8, random_networks=False, windows=None):
  """Computes FVD in all ways.

  Every network sees both sides; videos are read once per network. The outputs of a pass serve all
  variants that need them. They are kept until the end, so that a stopped run resumes where it was a
  minute before.

  Args:
    real, generated: sources of videos of equal shapes, see `videos`.
    strategy: a tf.distribute.Strategy of one worker.
    batch_size: videos at once.
    random_networks: whether the network has random weights.
    windows: a source of random windows of real videos; None if there are none.

  Returns:
    An Evaluation with one value per variant, `fvd_<variant>`.

  Raises:
    ValueError: if the strategy has several workers, or a side fewer than two videos.
  """
  if strategies.worker(strategy)[1] > 1:
    raise ValueError('variants are computed by one worker: run without --strategy=multi_worker')
  sources = {'real': real, 'generated': generated, 'windows': windows}
  warnings = []
  possible = [variant for variant in VARIANTS
              if _possible(variant, sources, warnings)]
  kept = []
  rows, label = _outputs(possible, sources, strategy, batch_size, random_networks, kept)
  if label is None:
    return protocols.Evaluation([], {}, {'fvd': rows}, warnings, {}, 0)
  values = []
  for variant in possible:
    sides = [rows[need] for need in variant.needs()]
    sides = [side[:len(side) // _FEW] for side in sides] if variant.few else sides
    if min(map(len, sides)) < 2:
      raise ValueError('a distance needs at least 2 videos of each side that can be read')
    value = DISTANCES[variant.distance](*sides)
    reference = values[0].value if values else value
    about = variant.what if variant.name == 'reference' else (
        f'{value - reference:+.4g}, x {value / reference:.4f}: {variant.what}')
    values.append(protocols.Value(f'fvd_{variant.name}', value, float('nan'), len(sides[1]), label,
                                  about))
  for one in kept:
    one.remove()
  return protocols.Evaluation(values, {}, {}, warnings, {}, 0)


def _possible(variant, sources, warnings):
  """Whether the videos are there that a variant needs; tells what is left out."""
  real, generated = sources['real'], sources['generated']
  why = ''
  if variant.windows and sources['windows'] is None:
    why = 'real videos are not longer than clips, or no files'
  elif variant.few and min(real.count, generated.count) < 2 * _FEW:
    why = f'there are fewer than {2 * _FEW} videos'
  elif variant.name == 'crop' and real.shape[1] == real.shape[2]:
    why = 'frames are square'
  elif 'ten_repeated' in (variant.real, variant.generated) and real.shape[0] <= 10:
    why = f'clips have {real.shape[0]} frames'
  if why:
    warnings.append(f'fvd_{variant.name} is left out: {why}')
  return not why


def _outputs(variants, sources, strategy, batch_size, random_networks, kept):
  """({need: logits, float32 [N, 400]}, label of the network); or (how to get it, None).

  The `parts.Parts` of the passes are appended to `kept`.
  """
  rows, label = {}, None
  wanted = dict.fromkeys(need for variant in variants for need in variant.needs())
  for changes in dict.fromkeys(changes for _, changes, _ in wanted):
    name = '+'.join([NETWORK, *changes])
    extract = extraction.Extractor(strategy, [name], random=random_networks)
    if extract.missing:
      return extract.missing[name], None
    label = label or extract.labels[name]
    for side in dict.fromkeys(side for side, of, _ in wanted if of == changes):
      transforms = [transform for at, of, transform in wanted if (at, of) == (side, changes)]
      kept.append(parts.Parts(['variants', sources[side].identity(), name, extract.labels[name],
                               transforms, batch_size]))
      found = _pass(sources[side], f'{side}, {"+".join(changes) or "reference"}', transforms,
                    lambda video: extract(name, video)['logits'], batch_size, strategy, kept[-1])
      rows.update({(side, changes, transform): found[transform] for transform in transforms})
  return rows, label


def _pass(source, title, transforms, logits, batch_size, strategy, kept):
  """{transform: logits of all videos of a source}; goes on where `kept` has been before."""
  first, found, _ = kept.read()
  sums, total = found.get(0, {}), -(-source.count // batch_size)
  batches = tqdm.tqdm(source.batches(batch_size, first=first), title, total, initial=first,
                      unit='batch', leave=False, mininterval=bars.interval())
  with strategies.scope(strategy):
    for number, batch in enumerate(batches, first + 1):
      for transform in transforms if len(batch['index']) else ():
        measuring.add(sums, {(transform, measuring.ROWS): measuring.Rows(
            logits(TRANSFORMS[transform](batch['video'])))})
      kept.keep(number, {0: sums}, {}, number == total)
  none = np.zeros([0, 1], np.float32)
  return {transform: np.asarray(sums.get((transform, measuring.ROWS), none))
          for transform in transforms}
