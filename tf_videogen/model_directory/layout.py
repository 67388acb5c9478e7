"""What a model directory says of itself: its clips' shapes and classes, and if training ended."""

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
    model_dir: the directory.
    reduction: of the videos, see `ClipSource.reduction`.
    class_names: of the labels, see `ClipSource.class_names`.
  """
  readable = {name: {'shape': list(s.shape), 'dtype': s.dtype.name} for name, s in spec.items()}
  readable['video'].update(reduction or {})
  if class_names:
    readable['label']['names'] = list(class_names)
  files.write(os.path.join(model_dir, _SPEC_FILE), json.dumps(readable, indent=1))


def saved_spec(model_dir):
  """The shapes of an example of what a model directory was trained on.

  Args:
    model_dir: a trained model's directory.

  Returns:
    name -> TensorSpec of one example, without the batch axis.

  Raises:
    FileNotFoundError: if it is no model directory.
  """
  return {name: tf.TensorSpec(s['shape'], s['dtype']) for name, s in _saved(model_dir).items()}


def saved_reduction(model_dir):
  """How the videos that it was trained on were reduced, see `ClipSource.reduction`.

  Raises:
    FileNotFoundError: if it is no model directory.
  """
  video = _saved(model_dir)['video']
  return {name: value for name, value in video.items() if name not in ('shape', 'dtype')}


def saved_class_names(model_dir):
  """Names of the classes that it was trained on, see `ClipSource.class_names`.

  Raises:
    FileNotFoundError: if it is no model directory.
  """
  return _saved(model_dir).get('label', {}).get('names', [])


def _saved(model_dir):
  path = os.path.join(model_dir, _SPEC_FILE)
  if not tf.io.gfile.exists(path):
    raise FileNotFoundError(f'{model_dir} is not a model directory (it has no {_SPEC_FILE}); '
                            'train into it first')
  return files.read_json(path, _SPEC_FORM, 'training into the directory again writes it anew')


def set_finished(model_dir, step):
  """Writes that training ended at that step; None: that it goes on."""
  path = os.path.join(model_dir, _FINISHED_FILE)
  if step is not None:
    files.write(path, json.dumps({'step': step}))
  elif tf.io.gfile.exists(path):
    tf.io.gfile.remove(path)


def finished(model_dir):
  """The step at which training ended, an int; None if it did not."""
  found = files.read_json_if_there(os.path.join(model_dir, _FINISHED_FILE), {'step': int},
                                   'delete it, and training goes on to its end')
  return found and found['step']


def is_trained(model_dir, steps):
  """Whether training came to its end: so many steps, or as many as it was asked to take."""
  done = finished(model_dir)
  return done is not None and (done >= steps or asked_to_stop(model_dir) is not None)


def stop_file(model_dir):
  """Path of the file that says that training is to stop early."""
  return os.path.join(model_dir, _STOP_FILE)


def ask_to_stop(model_dir, reason):
  """Asks who trains in the directory to stop at the next checkpoint; `reason` is a phrase."""
  files.write(stop_file(model_dir), json.dumps({'reason': reason}))


def asked_to_stop(model_dir):
  """Why training is to stop early, a phrase; None if it isn't."""
  found = files.read_json_if_there(
      stop_file(model_dir), {'reason': str}, 'delete it, and training goes on')
  return found and found['reason']
