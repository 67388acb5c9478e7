"""Makes docs/fvd.md, the table of why two FVDs differ.

    python -m docs.fvd 200 FOLDER ...   # measures anew, on 200 windows per side of these folders
    python -m docs.pages                # writes the page from docs/fvd.csv

Measuring takes the published network if it is there (`python -m launch.get_networks`), and else one
with random weights, and says which. If it was stopped, the same command resumes: the windows lie in
the cache until all variants are measured.
"""

import csv
import hashlib
import os
import pathlib
import shutil
import sys

import numpy as np

from tf_videogen import files
from tf_videogen.evaluation import sides
from tf_videogen.evaluation import variants
from tf_videogen.evaluation import windows
from tf_videogen.evaluation import written_clips
from tf_videogen.metrics import networks
from tf_videogen.metrics import pretrained
from tf_videogen.training import strategies

PAGE = pathlib.Path(__file__).parent / 'fvd.md'
TABLE = pathlib.Path(__file__).parent / 'fvd.csv'
FRAMES, STORED, SIZE = 16, 24, (64, 80)
_COLUMNS = ('variant', 'value', 'videos', 'network', 'folders')

_ISSUES = 'https://github.com/{}/issues/{}'
_RESIZING = '[resizing and compression](https://www.cs.cmu.edu/~clean-fid/)'
_MP4 = f'[VideoGPT 15]({_ISSUES.format("wilson1yan/VideoGPT", 15)})'
_CLIPS = f'[stylegan-v 37]({_ISSUES.format("universome/stylegan-v", 37)})'
_FEW = f'[common_metrics 26]({_ISSUES.format("JunyaoHu/common_metrics_on_video_quality", 26)})'
_RANGE = f'[fvd-comparison 4]({_ISSUES.format("universome/fvd-comparison", 4)})'
_PORT = '[fvd-comparison](https://github.com/universome/fvd-comparison)'
_PORTS = f'[common_metrics 4]({_ISSUES.format("JunyaoHu/common_metrics_on_video_quality", 4)})'

EXPECTED = {
    'half_pixels': 'A few per cent. On a frame of 64 pixels, values differ by 7 of 255 on average, '
                   f'but alike on both sides. Of FID, {_RESIZING} are known to count.',
    'half_pixels_one_side': 'Much more than on both sides: the network sees all edges moved by '
                            'half a pixel of the small frame.',
    'crop': 'Depends on what is at the edges; none for square frames.',
    'values_0_1': 'Another number altogether: the network never saw such inputs. Users ask which '
                  f'range is right ({_RANGE}).',
    'values_half': 'Another number altogether, mostly smaller: the contrast is halved.',
    'epsilon': 'More than with random weights, whose variances are all 1: published ones have '
               'variances near 0, where 1e-3 counts.',
    'tf32': 'Less than one per cent.',
    'truncated': 'Little for samples with noise; more for smooth ones near the real videos. The '
                 'code below truncates both sides, which changes little.',
    'h264_18': 'Small to the eye, not to FVD.',
    'h264_23': "FFmpeg's default. A user of VideoGPT's code told of 1,000 and more with MP4, where "
               f'its author had 104 ({_MP4}). Compression alone should not do that much.',
    'h264_28': 'Larger still.',
    'gif': 'Bands in smooth areas, on one side alone.',
    'ten_repeated': 'Another number altogether: the network sees a jump in all videos.',
    'float32': 'Little with thousands of videos; with a singular covariance, anything.',
    'over_n': 'A share of about 1/n.',
    'sqrtm': f'Rounding only: {_PORT} printed 10.138085 and 10.138084. More if the covariance is '
             'singular.',
    'few': 'Larger: the bias is about proportional to 1/n ([here](evaluation.md#how-far-to-trust-a-'
           f'number)). {_FEW} advises 256 videos at least.',
    'windows': 'Depends on the data: films that begin with a title, or actions that begin late. '
               f'With other real clips, one model had 49.94 instead of 79.52 ({_CLIPS}).',
    'videogpt': f'Its parts together. {_PORTS} found almost the same by `common_metrics`.',
    'stylegan_v': f'Its parts together. {_PORT} found the same as the reference, to 1e-6, for '
                  'videos that need no resizing.',
    'common_metrics': 'Its parts together.', 'cd_fvd': 'Its parts together.'}

_HEAD = """# Why two FVDs differ

Two programs give different FVDs for the same videos. This page takes what they do apart. Each row
changes one thing about FVD as its authors compute it, and the last four rows do what public code
does. The same table of your own videos:

```
python -m launch.compare --real=real_videos/ --generated=samples.npz --frames=16 --variants
```

`python -m docs.fvd 200 FOLDER ...` measures this page anew, on 200 windows per side of any folders,
and `python -m docs.pages` writes it from the measurements.

"""


_TAIL = """

What the names of public code stand for, and where we read it, is in
[variants.py](../tf_videogen/evaluation/variants.py). We have not run that code. Which clips it
takes from longer videos is not part of these rows. Nor is how frames were scaled before they were
stored: with two copies of one data set, a user had 234 and 50
([Latte 80](https://github.com/Vchitect/Latte/issues/80)).

`python -m launch.get_networks --network=i3d_kinetics400` ends with a self-test: a random network
must have known outputs for a clip. Another resizing, range of pixels, order of channels, epsilon or
precision would change them ([self_test.py](../tf_videogen/metrics/self_test.py)).
"""


def _clips(folders):
  """(real, other) windows of all videos: uint8 [N, STORED, *SIZE, 3], [N, FRAMES, *SIZE, 3].

  Videos are cut into windows without overlap, which go to the two sides in turn, and large frames
  into quarters. The other side is blurred by three pixels, in the place of a model.
  """
  parts = [[], []]
  for folder in folders:
    found = written_clips.WrittenClips(folder)
    headers = found.headers()
    for name, video in found.read(list(headers), lambda name: range(
        headers[name].frames // STORED * STORED)):
      if video.shape[-1] == 3 and min(video.shape[1:3]) >= SIZE[0]:
        for quarter in _quarters(video):
          quarter = windows.fitted(quarter, SIZE, scaled=True)
          for i in range(len(video) // STORED):
            parts[sum(map(len, parts)) % 2].append(quarter[i * STORED:(i + 1) * STORED])
  if min(map(len, parts)) < 2:
    raise SystemExit(f'{", ".join(folders)}: no two windows of {STORED} frames')
  real, other = (np.stack(part) for part in parts)
  return real, _blurred(other[:, :FRAMES])


def _quarters(video):
  """The four quarters of the frames if these are large enough; else all of them."""
  height, width = (side // 2 for side in video.shape[1:3])
  if height < SIZE[0] or width < SIZE[1]:
    return [video]
  return [video[:, top:top + height, left:left + width]
          for top in (0, height) for left in (0, width)]


def _blurred(video):
  """The mean over 3 x 3 pixels, rounded."""
  padded = np.pad(video, ((0, 0), (0, 0), (1, 1), (1, 1), (0, 0)), 'edge').astype(np.uint16)
  height, width = video.shape[2:4]
  total = sum(padded[:, :, i:i + height, j:j + width] for i in range(3) for j in range(3))
  return ((total + 4) // 9).astype(np.uint8)


def _windows(folders):
  """The folder of the cache with the windows of both sides, real.npz and other.npz."""
  asked = repr([list(map(os.path.abspath, folders)), FRAMES, STORED, SIZE])
  scratch = pathlib.Path(pretrained.cache_dir(), 'fvd_windows',
                         hashlib.sha256(asked.encode()).hexdigest()[:20])
  if not (scratch / 'other.npz').exists():  # the last one that is written
    scratch.mkdir(parents=True, exist_ok=True)
    for name, video in zip(('real', 'other'), _clips(folders)):
      np.savez(scratch / 'new.npz', video=video)
      os.replace(scratch / 'new.npz', scratch / f'{name}.npz')
  return scratch


def measure(count, folders):
  """Computes all variants on `count` windows per side of the videos in folders; writes TABLE."""
  strategy, scratch = strategies.get('cpu'), _windows(folders)
  found = [written_clips.WrittenClips(str(scratch / f'{name}.npz')) for name in ('real', 'other')]
  both = sides.matched(found[0], found[1:], sides.Wishes(FRAMES, count))
  arguments = (both.real, both.generated[0], strategy, 8)
  evaluation = variants.run(*arguments, windows=both.real.random_windows())
  if evaluation.missing:
    evaluation = variants.run(*arguments, random_networks=True,
                              windows=both.real.random_windows())
  names = ', '.join(os.path.basename(os.path.normpath(folder)) for folder in folders)
  rows = [_COLUMNS] + [(value.metric.removeprefix('fvd_'), repr(value.value), value.examples,
                        value.network, names) for value in evaluation.values]
  files.write(str(TABLE), ''.join(','.join(f'"{cell}"' for cell in row) + '\n' for row in rows))
  shutil.rmtree(scratch)


def page():
  """The text of the page, from TABLE."""
  if not TABLE.exists():
    rows = ['| variant | what it changes | to be expected |', '| --- | --- | --- |'] + [
        f'| `{variant.name}` | {variant.what} | {EXPECTED[variant.name]} |'
        for variant in variants.VARIANTS[1:]]
    return f'{_HEAD}Nothing has been measured here yet.\n\n' + '\n'.join(rows) + _TAIL
  with open(TABLE, encoding='utf-8', newline='') as file:
    rows = {row['variant']: row for row in csv.DictReader(file)}
  reference = rows['reference']
  is_random = networks.NOT_COMPARABLE in reference['network']
  weights = 'random' if is_random else 'published'
  said = (
      f'The numbers are ratios to the reference, computed by I3D with **{weights} weights** on '
      f'{reference["videos"]} windows of {FRAMES} frames of {SIZE[0]} x {SIZE[1]} pixels per '
      f'side, from videos of {reference["folders"]}. Large frames were cut into quarters, and '
      'smaller ones resized. In place of generated videos, we take other windows of the same '
      'videos, blurred by a mean over 3 x 3 pixels. The covariance is singular with so few videos.')
  if is_random:
    said += (' Random weights show whether a change has an effect, not how large it is with '
             'published weights. '
             'No FVD with published weights has been computed here, so the last column is what we '
             'expect, not what we measured.')
  lines = [f'{_HEAD}{said}\n',
           f'| variant | what it changes | ratio ({weights} weights) | to be expected |',
           '| --- | --- | ---: | --- |']
  for variant in variants.VARIANTS[1:]:
    if variant.name in rows:
      ratio = float(rows[variant.name]['value']) / float(reference['value'])
      lines.append(f'| `{variant.name}` | {variant.what} | {ratio:.4f} ({weights}) | '
                   f'{EXPECTED[variant.name]} |')
  return '\n'.join(lines) + _TAIL


if __name__ == '__main__':
  if len(sys.argv) < 3 or not sys.argv[1].isdecimal():
    raise SystemExit('give a number of windows and folders of videos: '
                     'python -m docs.fvd 200 FOLDER ...')
  measure(int(sys.argv[1]), sys.argv[2:])
  files.write(str(PAGE), page())
  print(f'wrote {TABLE} and {PAGE}')
