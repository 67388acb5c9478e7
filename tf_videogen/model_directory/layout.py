"""Notes in a model directory: shapes and classes of its clips, and the end of its training.

`clips.json` describes the clips. `finished.json` has the step at which training ended. `stop.json`
asks training to stop early.
"""

import json
import os

import tensorflow as tf

from tf_videogen import files

_SPEC_FILE = 'clips.json'
_SPEC_FORM = {'video': {'shape': [int], 'dtype': str}}
_FINISHED_FILE = 'finished.json'
_STOP_FILE = 'stop.json'


def save_spec(spec, model_dir, reduction=None, class_names=()):
  """Writes the shapes of an example into the model directory, so that sampling needs no data.

  Args:
    spec: name -> TensorSpec of one example, without the batch axis.
    model_dir: the model directory.
    reduction: how stored videos are reduced to clips, see `ClipSource.reduction`; None if unknown.
    class_names: names of the labels' classes, see `ClipSource.class_names`; empty if unknown.
  """
  readable = {name: {'shape': list(s.shape), 'dtype': s.dtype.name} for name, s in spec.items()}
  readable['video'].update(reduction or {})
  if class_names:
    readable['label']['names'] = list(class_names)
  files.write(os.path.join(model_dir, _SPEC_FILE), json.dumps(readable, indent=1))


def saved_spec(model_dir):
  """The shapes of an example of the clips on which a model was trained.

  Args:
    model_dir: a trained model's directory.

  Returns:
    name -> TensorSpec of one example, without the batch axis.

  Raises:
    FileNotFoundError: if it is not a model directory.
    ValueError: if its `clips.json` is damaged.
  """
  return {name: tf.TensorSpec(s['shape'], s['dtype']) for name, s in _saved(model_dir).items()}


def saved_reduction(model_dir):
  """How the videos on which a model was trained were reduced, see `ClipSource.reduction`.

  Raises:
    FileNotFoundError: if it is not a model directory.
    ValueError: if its `clips.json` is damaged.
  """
  video = _saved(model_dir)['video']
  return {name: value for name, value in video.items() if name not in ('shape', 'dtype')}


def saved_class_names(model_dir):
  """Names of the classes on which a model was trained, a list; empty if unknown.

  Raises:
    FileNotFoundError: if it is not a model directory.
    ValueError: if its `clips.json` is damaged.
  """
  return _saved(model_dir).get('label', {}).get('names', [])


def _saved(model_dir):
  path = os.path.join(model_dir, _SPEC_FILE)
  if not tf.io.gfile.exists(path):
    raise FileNotFoundError(f'{model_dir} is not a model directory (it has no {_SPEC_FILE}); '
                            'train a model there first')
  return files.read_json(path, _SPEC_FORM, 'train in the directory again to write it')


def set_finished(model_dir, step):
  """Notes that training ended at `step`. If `step` is None, removes the note."""
  path = os.path.join(model_dir, _FINISHED_FILE)
  if step is not None:
    files.write(path, json.dumps({'step': step}))
  elif tf.io.gfile.exists(path):
    tf.io.gfile.remove(path)


def finished(model_dir):
  """The step at which training ended, an int; None if it has not ended."""
  found = files.read_json_if_there(os.path.join(model_dir, _FINISHED_FILE), {'step': int},
                                   'delete it, and training continues to its end')
  return found and found['step']


def is_trained(model_dir, steps):
  """Whether training has ended: after at least `steps` steps, or earlier by request."""
  done = finished(model_dir)
  return done is not None and (done >= steps or asked_to_stop(model_dir) is not None)


def stop_file(model_dir):
  """Path of the file that asks training to stop early."""
  return os.path.join(model_dir, _STOP_FILE)


def ask_to_stop(model_dir, reason):
  """Asks the process that trains in the directory to stop at about the next checkpoint.

  Args:
    model_dir: the model directory.
    reason: why training is to stop, a phrase.
  """
  files.write(stop_file(model_dir), json.dumps({'reason': reason}))


def asked_to_stop(model_dir):
  """Why training is to stop early, a phrase; None if it was not asked to stop."""
  found = files.read_json_if_there(
      stop_file(model_dir), {'reason': str}, 'delete it, and training continues')
  return found and found['reason']
