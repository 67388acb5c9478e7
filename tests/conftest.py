"""Fixtures that tests of training and of the programs share.

Nothing here imports TensorFlow before a test asks for it: pytest-xdist's own process, which runs no
test, reads this file, too.
"""

import pytest


@pytest.fixture(autouse=True)
def _float32():
  """No test inherits the precision that another one trained in."""
  import tensorflow as tf  # pylint: disable=g-import-not-at-top
  yield
  if tf.keras.mixed_precision.global_policy().name != 'float32':
    tf.keras.mixed_precision.set_global_policy('float32')


@pytest.fixture
def no_config_left():
  """What a test has parsed into gin is gone after it; files ask for it by `pytestmark`."""
  import gin  # pylint: disable=g-import-not-at-top
  yield
  gin.clear_config()


@pytest.fixture(scope='session')
def tiny_files(tmp_path_factory):
  """Paths of clips and of gin files, see `tiny.write_files`."""
  from tests import tiny as tiny_lib  # pylint: disable=g-import-not-at-top
  return tiny_lib.write_files(tmp_path_factory.mktemp('tiny'))


@pytest.fixture(scope='session')
def tiny(tiny_files):
  """Tiny experiments."""
  from tests import tiny as tiny_lib  # pylint: disable=g-import-not-at-top
  return tiny_lib.Tiny(tiny_files)


@pytest.fixture(scope='session')
def cpu():
  """A strategy of one replica."""
  import tensorflow as tf  # pylint: disable=g-import-not-at-top
  return tf.distribute.OneDeviceStrategy('/cpu:0')


@pytest.fixture
def without_xla(monkeypatch):
  """XLA needs ten seconds for a sampler, however small."""
  import tensorflow as tf  # pylint: disable=g-import-not-at-top
  function = tf.function
  monkeypatch.setattr(
      tf, 'function', lambda f=None, jit_compile=None, **options: function(f, **options))


@pytest.fixture
def built_eagerly():
  """Models are built eagerly; what is computed is traced as ever."""
  from tests import tiny as tiny_lib  # pylint: disable=g-import-not-at-top
  with tiny_lib.built_eagerly():
    yield


@pytest.fixture(scope='session')
def eager_scope():
  """Makes the context of `eagerly`, for fixtures of modules."""
  from tests import tiny as tiny_lib  # pylint: disable=g-import-not-at-top
  return tiny_lib.eagerly


@pytest.fixture(name='eagerly')
def _eagerly(eager_scope):
  """Steps of a video GAN are traced in ten seconds, and take one; it is built in half the time."""
  with eager_scope():
    yield


@pytest.fixture(name='maybe_eagerly')
def _maybe_eagerly(request, traced):
  """Unless a test's parameter says `traced`: a graph takes longer than these few steps."""
  if not traced:
    request.getfixturevalue('eagerly')


@pytest.fixture
def same_initial_values():
  """What a test finds, it finds every time, alone or after others."""
  import tensorflow as tf  # pylint: disable=g-import-not-at-top
  tf.keras.utils.set_random_seed(0)
