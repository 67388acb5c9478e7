"""What devices keep of their steps."""

import numpy as np
import pytest
import tensorflow as tf

from tf_videogen.training import step_record


def _write(strategy, record, step, **terms):
  def write():
    record.write(tf.constant(step, tf.int64), {
        name: tf.constant(value, tf.float64) for name, value in terms.items()})
  strategy.run(write)


def test_the_last_terms_and_the_first_failure(two_replicas):
  with two_replicas.scope():
    record = step_record.StepRecord()
  _write(two_replicas, record, 1, loss=0.5, norm=2.0)
  assert record.read() == {'loss': 0.5, 'norm': 2.0} and record.failure() is None
  _write(two_replicas, record, 2, loss=1.0, norm=np.inf)
  assert record.failure() == (2, ['norm'])
  _write(two_replicas, record, 3, loss=np.nan, norm=1.0)
  assert record.failure() == (2, ['norm']) and record.read()['norm'] == 1.0


def test_most_terms(cpu):
  record = step_record.StepRecord()
  terms = {f'term_{i}': float(i) for i in range(32)}
  _write(cpu, record, 1, **{**terms, 'term_31': np.nan})
  assert record.failure() == (1, ['term_31']) and record.read()['term_30'] == 30
  with pytest.raises(ValueError, match='at most 32 terms, got 33'):
    _write(cpu, record, 2, **terms, more=1.0)
