"""Replaces a private function of TensorFlow, so that datasets that feed devices are not autotuned.

A strategy puts a dataset of its own between the input pipeline and every device. That dataset is
autotuned, whatever the options of the pipeline say. TensorFlow 2.15 and 2.20 have no option against
it. In TensorFlow 2.15 the tuning thread sleeps for up to a minute, and whoever frees an iterator
waits for that thread. An evaluation on eight cores would end minutes late.

If a later TensorFlow has no such function, `leave_untuned` fails. Then this module must be revised.
"""

from tensorflow.python.data.ops import multi_device_iterator_ops

from tf_videogen.data import clip_source


def leave_untuned():
  """Makes the strategies of this process feed devices from datasets without autotuning."""
  tuned = multi_device_iterator_ops._create_device_dataset
  if tuned.__name__ != '_untuned':
    def _untuned(*args):
      return clip_source.untuned(tuned(*args))
    multi_device_iterator_ops._create_device_dataset = _untuned
