"""Replaces a private function of TensorFlow: datasets that feed devices don't tune themselves.

A strategy puts a dataset of its own between an input pipeline and every device, and that dataset
tunes itself, whatever the pipeline's options say: 2.15 and 2.20 have no option for it. TensorFlow
2.15's tuning sleeps for up to a minute in a thread that whoever frees an iterator waits for, so
that an evaluation on eight cores would end minutes late.

Where a later TensorFlow has no such function, `leave_untuned` fails: then this is to be looked at
again.
"""

from tensorflow.python.data.ops import multi_device_iterator_ops

from tf_videogen.data import clip_source


def leave_untuned():
  """Makes strategies of this process feed devices by datasets that don't tune themselves."""
  tuned = multi_device_iterator_ops._create_device_dataset
  if tuned.__name__ != '_untuned':
    def _untuned(*args):
      return clip_source.untuned(tuned(*args))
    multi_device_iterator_ops._create_device_dataset = _untuned
