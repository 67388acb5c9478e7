"""The top of a page: what was compared, one number on a scale, warnings, and videos that move.

The number is that of the first of `METRICS` that any run has, of published networks if there are
such values. Values that other runs have of it by the same protocol, or that the same comparison
made of other videos, stand beside it.
"""

import dataclasses
import html
import math
import os
import typing

import numpy as np
import tensorflow as tf

from tf_videogen import files
from tf_videogen.model_directory import results as results_lib
from tf_videogen.reporting import comparison
from tf_videogen.reporting import galleries
from tf_videogen.reporting import glossary
from tf_videogen.reporting import page
from tf_videogen.reporting import paper_numbers
from tf_videogen.reporting import players
from tf_videogen.reporting import scale

METRICS = ('fvd', 'fvd_unrolled', 'fvd_star', 'r_fvd', 'fid', 'is', 'frechet_distance', 'kvd',
           'lpips', 'ssim', 'psnr', 'bits_per_dim', 'nats_per_frame', 'bits_per_code', 'nmse')
CLIPS = 5  # Videos of a side.
LINES = 6  # Values on the scale, so that it stays above the fold.
SIDES = 3  # Rows of videos: the real ones, and those of the first runs.
_MADE = ('samples', 'reconstructions')  # Kinds of videos, the first one of which is shown.
PIXELS = 116  # About the width of a video, in CSS pixels.


class Entry(typing.NamedTuple):
  """A value that the headline shows.

  Attributes:
    name: whose value it is: the name of a run, or of the folder of generated videos.
    model_dir: the folder of its results.
    compared: a `comparison.Comparison` with a value of ours.
  """
  name: str
  model_dir: str
  compared: comparison.Comparison

  @property
  def ours(self):
    """What was measured here, a `results.Result`."""
    return self.compared.ours


@dataclasses.dataclass
class Headline:
  """The block.

  Attributes:
    entries: a list of `Entry` of one metric, the best one first.
    others: a list of all comparisons of the page, among which those of baselines are searched.
    subject: what was trained on what, text; may be empty.
  """
  entries: list
  others: list
  subject: str = ''

  def html(self):
    if not self.entries:
      return ''
    return (f'<div class="hero"><div>{self._number()}</div>{_strip(self.entries)}'
            f'<div>{self._scale()}{self._warnings()}</div></div>')

  def _number(self):
    best = self.entries[0]
    ours, metric = best.ours, page.explained(best.compared.metric)[0]
    whose = f' of {html.escape(best.name)}' if len(self.entries) > 1 else ''
    interval = ''
    if math.isfinite(ours.low) and math.isfinite(ours.high):
      interval = f'90 % in {page.number(ours.low)} to {page.number(ours.high)}'
    elif math.isfinite(ours.std):
      interval = f'± {page.number(ours.std)}'
    paper = ''
    if best.compared.paper:
      number = best.compared.paper[0]
      paper = (f'<p class="paper">The paper: <b>{html.escape(number.printed)}</b> '
               f'<span class="quiet">{html.escape(number.source)}</span></p>')
    note = f'<p class="quiet">{html.escape(ours.note)}</p>' if ours.note else ''
    return (f'<p>{html.escape(what_was_compared(best, self.subject))}</p>{note}'
            f'<p class="metric">{metric}{whose}</p>'
            f'<p class="big">{page.number(ours.value)} <span>{interval}</span></p>{paper}')

  def _scale(self):
    shown, count = self.entries[:LINES], len(self.entries)
    names = [entry.name if count > 1 else 'ours' for entry in shown]
    text = f'<p class="quiet">The best {LINES} of {count} are shown.</p>' if count > LINES else ''
    return scale.of([entry.compared for entry in shown], names, self.others) + text

  def _warnings(self):
    found = warnings(self.entries)
    lines = ''.join(f'<li>{html.escape(text)}</li>' for text in found)
    return f'<ul class="warnings" aria-label="Warnings">{lines}</ul>' if found else ''


def headline(runs, subject=''):
  """The `Headline` of runs.

  Args:
    runs: a list of (name, model directory, list of `comparison.Comparison`).
    subject: see `Headline`.
  """
  found = [Entry(_name(name, compared, rows), model_dir, compared)
           for name, model_dir, rows in runs for compared in rows
           if compared.ours and not compared.protocol.endswith(paper_numbers.BASELINES)
           and compared.metric in METRICS and math.isfinite(compared.ours.value)]
  if not found:
    return Headline([], [])
  first = min(found, key=lambda entry: (
      not entry.compared.comparable, not entry.compared.protocol,
      METRICS.index(entry.compared.metric), not entry.compared.paper))
  beside = [entry for entry in found if _alike(entry, first)]
  higher = glossary.metric(first.compared.metric).better == 'higher'
  beside.sort(key=lambda entry: -entry.ours.value if higher else entry.ours.value)
  return Headline(beside, [row for _, _, rows in runs for row in rows], subject)


def what_was_compared(entry, subject=''):
  """'VideoGPT on bair, step 2,000: 256 videos beside the test split, by videogpt_bair.'"""
  ours = entry.ours
  who = ', '.join(filter(None, [subject or entry.name, ours.step and f'step {ours.step:,}']))
  by = f', by {entry.compared.protocol}' if entry.compared.protocol else ''
  return f'{who}: {page.count(ours.examples, "video")} beside real ones ({ours.split}){by}.'


def warnings(entries):
  """What lessens the trust in values of ours: a list of str, each once."""
  found = {}
  for entry in entries:
    if not entry.compared.comparable:
      found['The network has random weights: its numbers are not comparable.'] = None
    for text in filter(None, entry.ours.warnings.split(results_lib.WARNINGS)):
      found[text] = None
  return list(found)


def _alike(entry, first):
  """Whether two entries are the same measure of different videos."""
  one, other = entry.ours, first.ours
  same_comparison = (entry.model_dir == first.model_dir and one.gin_sha and
                     one.gin_sha == other.gin_sha and one.step == other.step)
  return ((one.metric, one.split, one.network) == (other.metric, other.split, other.network)
          and (one.protocol == other.protocol or bool(one.protocol and same_comparison)))


def _name(run, compared, rows):
  """The name of a run; if it has several comparisons of one kind, what tells them apart."""
  names = {row.protocol for row in rows if row.ours and row.ours.gin_sha == compared.ours.gin_sha
           and row.protocol and not row.protocol.endswith(paper_numbers.BASELINES)}
  if len(names) < 2 or not compared.ours.gin_sha:
    return run
  return compared.protocol[len(os.path.commonprefix(sorted(names))):] or compared.protocol


def _strip(entries):
  """The videos of entries beside real ones, as HTML: a row of each side."""
  sides, given, fps, paired = {}, 0, galleries.DEFAULT_FPS, False
  for entry in entries[:SIDES - 1]:
    arrays = _videos(entry)
    kind = next((name for name in _MADE if name in arrays), None)
    if not kind:
      continue
    if not sides:
      given = int(arrays.get('conditioning_frames', 0)) if kind == 'samples' else 0
      fps = float(arrays.get('fps', fps))
      paired = kind == 'reconstructions' or galleries.are_pairs(arrays)
      if 'data' in arrays:
        sides['Real'] = arrays['data'][:CLIPS]
    title = glossary.video_name(kind)
    sides[f'{title}: {entry.name}' if len(entries) > 1 else title] = arrays[kind][:CLIPS]
  rows = ''.join(_row(title, videos, sides.get('Real') if paired else None, given, fps)
                 for title, videos in sides.items())
  return f'<div class="hero-strip">{rows}</div>' if rows else ''


def _row(title, videos, reals, given, fps):
  """A row of one side; a generated video has the real one of its place to be compared with."""
  clips = []
  for i, video in enumerate(videos):
    real = reals[i] if reals is not None and i < len(reals) else None
    clips.append(players.clip(
        video, f'{title} {i + 1}, moving', 0 if title == 'Real' else given,
        video if videos is reals else real if np.shape(real) == video.shape else None,
        PIXELS, fps))
  return (f'<figure><figcaption><b>{html.escape(title)}</b></figcaption>'
          f'<div class="row">{"".join(clips)}</div></figure>')


def _videos(entry):
  """The arrays of the videos that belong to an entry; {} if there are none."""
  folder = os.path.join(entry.model_dir, results_lib.EVALUATIONS, entry.compared.protocol)
  paths = [os.path.join(folder, results_lib.VIDEOS_FILE)] if entry.compared.protocol else []
  for name in ('samples', 'previews'):
    paths += sorted(tf.io.gfile.glob(os.path.join(entry.model_dir, name, '*.npz')))
  for path in paths:
    if tf.io.gfile.exists(path):
      arrays = files.read_arrays(path)
      if any(np.ndim(arrays.get(name)) == 5 for name in _MADE):
        return arrays
  return {}
