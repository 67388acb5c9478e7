"""Writes the results of an evaluation into a model directory, or any other folder.

Values are added to results.csv. The folder `evaluations/<protocol>/` has curves.csv, videos.npz to
look at, and operative_config-<gin_sha>.gin, the effective configuration. `gin_sha` is the hash of
the configuration, which the rows of results.csv have, too.
"""

import dataclasses
import hashlib
import json
import os
import pathlib
import subprocess

import numpy as np
import tensorflow as tf

import tf_videogen
from tf_videogen import files
from tf_videogen.data import video_io
from tf_videogen.evaluation import measuring
from tf_videogen.metrics import networks
from tf_videogen.model_directory import results

CONFIG = 'operative_config-{}.gin'
_TRIALS = 'trials.json'


class Trials:
  """The finished trials of an evaluation, from which a stopped evaluation resumes.

  Args:
    directory: folder for the results of the evaluation.
    name: name of the protocol.
    identity: plain values on which the trials depend: the configuration and the checkpoint.
  """

  def __init__(self, directory, name, identity):
    self._folder = os.path.join(directory, results.EVALUATIONS, name)
    self._path = os.path.join(self._folder, _TRIALS)
    self._identity = [identity, commit()]
    self._done = []

  def read(self, more_identity):
    """The finished trials: a list of lists of `measuring.Measured`, one per measure of the trial.

    It is empty if the kept trials have another identity. To be called before `add`.

    Args:
      more_identity: further plain values on which the trials depend.
    """
    self._identity.append(more_identity)
    self._identity = hashlib.sha256(json.dumps(self._identity).encode()).hexdigest()
    try:
      found = files.read_json(self._path, {'identity': str, 'trials': [[dict]]})
    except (FileNotFoundError, ValueError):
      return []
    if found['identity'] == self._identity:
      self._done = [[_outcome(one) for one in trial] for trial in found['trials']]
    if self._done:
      print(f'{len(self._done)} trials are done already ({self._path})')
    return list(self._done)

  def add(self, outcomes, gallery, conditioning_frames):
    """Keeps a trial and, with the first one, the videos to look at.

    Args:
      outcomes: list of `measuring.Measured`, one per measure.
      gallery: {kind: uint8 [n, T, H, W, C]}, videos to look at.
      conditioning_frames: number of first frames of the samples that were given.
    """
    self._done.append(outcomes)
    if len(self._done) == 1:
      _write_gallery(self._folder, gallery, conditioning_frames)
    trials = [[_plain(outcome) for outcome in trial] for trial in self._done]
    files.write(self._path, json.dumps({'identity': self._identity, 'trials': trials}))

  def remove(self):
    """Removes the kept trials, after the evaluation has been written."""
    if tf.io.gfile.exists(self._path):
      tf.io.gfile.remove(self._path)


def _plain(outcome):
  curves = [[*key, curve] for key, curve in outcome.curves.items()]
  return {**dataclasses.asdict(dataclasses.replace(outcome, curves={})), 'curves': curves}


def _outcome(plain):
  curves = {(metric, series): [tuple(point) for point in curve]
            for metric, series, curve in plain['curves']}
  return measuring.Measured(**{**plain, 'curves': curves})


def write(directory, name, split, step, evaluation, config='', command=''):
  """Adds rows to results.csv, and replaces the curves of the step and the videos.

  Args:
    directory: local or gs://.
    name: name of the protocol.
    split: split of the data that samples were compared with.
    step: step of the checkpoint; 0 if there is none.
    evaluation: an Evaluation.
    config: text of the effective configuration; '' if there is none to be kept.
    command: the command line that evaluates; '' if unknown.
  """
  folder = os.path.join(directory, results.EVALUATIONS, name)
  sha = hashlib.sha256(config.encode()).hexdigest()[:12] if config else ''
  if config:
    files.write(os.path.join(folder, CONFIG.format(sha)), config)
  path = os.path.join(folder, results.CURVES_FILE)
  points = [point for point in results.read_curves(path) if point.step != step]
  points += [results.CurvePoint(step, metric, series, position, axis, value, spread)
             for (metric, series), (axis, curve) in evaluation.curves.items()
             for position, value, spread in curve]
  if points:
    results.write_curves(path, points)
  _write_gallery(folder, evaluation.gallery, evaluation.conditioning_frames)
  warnings = results.WARNINGS.join(' '.join(warning.split()) for warning in [
      *evaluation.warnings,
      *(f'{metric} is missing: {how}' for metric, how in evaluation.missing.items())])
  # Last: if the rows are there, everything is.
  results.append_rows(directory, [
      results.Result(step, split, value.metric, value.value, value.spread, value.examples, name,
                     value.network, value.note, commit(), sha, low=value.low, high=value.high,
                     floor=value.floor, command=command, warnings=warnings)
      for value in evaluation.values])


def evaluated_steps(directory, name, random_networks=False):
  """The steps that a protocol has evaluated: a set of int.

  A step does not count if the latest row of one of its metrics is of random networks.

  Args:
    directory: folder of the results.csv.
    name: name of the protocol.
    random_networks: whether steps count nevertheless.
  """
  last = {(row.step, row.metric): row for row in results.read_results(directory)
          if row.protocol == name}
  random = {row.step for row in last.values() if networks.NOT_COMPARABLE in row.network}
  return {row.step for row in last.values()} - (set() if random_networks else random)


def _write_gallery(folder, gallery, conditioning_frames):
  if gallery:
    video_io.write_npz(os.path.join(folder, results.VIDEOS_FILE), {
        **gallery, 'conditioning_frames': np.int32(conditioning_frames)})


def commit():
  """The commit of the code, with '-changed' appended if files differ; its version without git."""
  root = pathlib.Path(tf_videogen.__file__).resolve().parents[1]
  if not (root / '.git').exists():
    return f'version {tf_videogen.__version__}'
  git = ['git', '-C', str(root), 'describe', '--always', '--dirty=-changed', '--exclude=*']
  found = subprocess.run(git, capture_output=True, text=True, check=False)
  return found.stdout.strip() or f'version {tf_videogen.__version__}'
