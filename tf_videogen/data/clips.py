"""Clips of videos for training and evaluation, from prepared TFDS data sets or files of arrays.

`PreparedClips` and `FileClips` have the methods of `clip_source.ClipSource`: `training`,
`evaluation`, `example_spec`, `count`.
"""

import functools
import os

import numpy as np
import tensorflow as tf

from tf_videogen import files
from tf_videogen.data import clip_source
from tf_videogen.data import prepared

_SHUFFLE_BYTES = 512 << 20


class PreparedClips(clip_source.ClipSource):
  """Clips of a data set that TFDS has prepared, one of this suite or any other.

  Splits may be slices in the notation of TFDS, such as 'train[:70%]' or 'train[70%:]+test'. The
  `id` of a clip is the feature of that name. If the data set has no such feature, the `id` is made
  of the file's name and the record's number in the file.

  Args:
    dataset: str, 'name/config' or 'name', with or without a version as in 'name:1.0.0'.
    frames: int, number of frames of a clip, T.
    frame_step: int, distance between consecutive frames of a clip, in stored frames.
    data_dir: str, root of the prepared data sets; TFDS's own default if None.
    train_split: str, the split or slice to train on.
    features: dict from 'video', 'actions' and 'label' to the names of these features in the data
      set. 'video' is uint8 [frames, H, W, C], and its name is 'video' by default. 'actions' are
      numbers [frames, A], one vector per frame. 'label' is an integer [], the number of the video's
      class. Clips have actions and labels only if they are named here.
    shuffle_buffer: int, number of examples to shuffle among. If None, it is the number that 512 MiB
      hold, but at least 8.
    size: int, height and width of the clips, which are cut out of larger frames. For evaluation,
      they are cut out of the middle. If None, clips show whole frames, which must all have the same
      size.
    crop: 'random' or 'center', where clips are cut out for training.
    drop_short: bool, whether videos with too few frames are left out. If False, they are an error.
  """

  def __init__(self, dataset, frames, frame_step=1, data_dir=None, train_split='train',
               features=None, shuffle_buffer=None, size=None, crop='random', drop_short=False):
    super().__init__(frames, frame_step, train_split)
    if crop not in ('random', 'center'):
      raise ValueError(f"crop must be 'random' or 'center', got {crop!r}")
    if size is not None and (not isinstance(size, int) or size < 1):
      raise ValueError(f'size must be a positive integer or None, got {size!r}')
    self.size = size
    self.crop = crop
    self.drop_short = drop_short
    self.dataset = dataset
    self.data_dir = data_dir
    self.features = {'video': 'video', **(features or {})}
    if not set(self.features) <= {'video', 'actions', 'label'}:
      raise ValueError("the keys of features must be 'video', 'actions' or 'label', got "
                       f'{", ".join(map(repr, self.features))}')
    self.shuffle_buffer = shuffle_buffer

  def count(self, split):
    """Returns the number of examples of a split or slice."""
    examples = prepared.split_info(self._builder, split).num_examples - self._short_videos(split)
    if not examples:
      raise ValueError(f'no video of {self.dataset} ({split}) has the {self.span} frames that '
                       f'clips of frames={self.frames} with frame_step={self.frame_step} need')
    return examples

  def _short_videos(self, split):
    """Returns the number of a split's videos that are too short and therefore left out."""
    lengths = prepared.frame_counts(self._builder, split)
    short = sum(videos for frames, videos in lengths.items() if frames < self.span)
    if short and not self.drop_short:
      raise ValueError(
          f'{short:,} videos of {self.dataset} ({split}) are shorter than the {self.span} frames '
          f'that clips of frames={self.frames} with frame_step={self.frame_step} need; leave them '
          'out with PreparedClips.drop_short = True, or ask for fewer frames')
    if short and '[' in split:
      raise ValueError(f'some videos of {self.dataset} are too short, and it is not known how many '
                       f'of them are in {split}; ask for fewer frames, or for whole splits')
    return short

  def example_spec(self):
    """Returns the specs of one example, see `ClipSource.example_spec`."""
    return dict(self._spec)

  def class_names(self):
    """See `ClipSource.class_names`."""
    if 'label' not in self.example_spec():
      return []
    return prepared.class_names(self._builder, self.features['label'])

  def unreachable(self):
    """See `ClipSource.unreachable`."""
    folder = os.fspath(self._builder.data_dir)
    return '' if files.is_remote(folder) else (
        f'{folder} is on this machine only: prepare the data set on gs://, and give its folder '
        'with --data_dir')

  def identity(self, split):
    """Returns what the clips of a split depend on, see `ClipSource.identity`."""
    info = self._builder.info
    return [info.full_name, info.dataset_size, split, self.count(split), self.frames,
            self.frame_step, self.size, self.crop, self.features['video'],
            self.features.get('label')]

  def raw_records(self):
    """Returns a tf.data.Dataset of the training split's serialized examples, in stored order."""
    return self._records(self.train_split).map(lambda path, number, record: record)

  def describe(self, builder):
    """Takes the shapes from a TFDS builder, for a data set that is not prepared."""
    self._builder = builder

  @functools.cached_property
  def _builder(self):
    return prepared.builder(self.dataset, self.data_dir)

  @functools.cached_property
  def _spec(self):
    spec = {'video': self._video_spec(), 'id': tf.TensorSpec([], tf.string)}
    if 'label' in self.features:
      shape, dtype = prepared.feature_shape(self._builder, self.features['label'])
      if shape or not np.issubdtype(dtype, np.integer):
        self._reject(self.features['label'], 'an integer []', shape, dtype)
      spec['label'] = tf.TensorSpec([], tf.int32)
    if 'actions' in self.features:
      shape, dtype = prepared.feature_shape(self._builder, self.features['actions'])
      stored_frames = prepared.feature_shape(self._builder, self.features['video'])[0][0]
      if len(shape) != 2 or shape[0] != stored_frames or not np.issubdtype(dtype, np.number):
        self._reject(self.features['actions'], f'numbers [{stored_frames}, A]', shape, dtype)
      spec['actions'] = tf.TensorSpec([self.frames, shape[1]], tf.float32)
    return spec

  def _video_spec(self):
    shape, dtype = prepared.feature_shape(self._builder, self.features['video'])
    if len(shape) != 4 or dtype != np.uint8:
      self._reject(self.features['video'], 'uint8 [frames, H, W, C]', shape, dtype)
    if self.size is not None:
      shape = (shape[0], self.size, self.size, shape[3])
    if None in shape[1:]:
      raise ValueError(f'frames of {self.features["video"]!r} of {self.dataset} have no fixed '
                       'size; set PreparedClips.size to the size of the clips to cut out of them')
    if shape[0] is not None and shape[0] < self.span:
      raise ValueError(_too_short(self.dataset, shape[0], self))
    return tf.TensorSpec((self.frames,) + shape[1:], tf.uint8)

  def _reject(self, feature, expected, shape, dtype):
    raise ValueError(f'feature {feature!r} of {self.dataset} must be {expected}, '
                     f'got {np.dtype(dtype).name} {list(shape)}')

  @functools.cached_property
  def _has_id(self):
    infos = self._builder.info.features.get_tensor_info()
    return 'id' in infos and infos['id'].shape == () and infos['id'].tf_dtype == tf.string

  @functools.cached_property
  def _features(self):
    """The features that clips use. TFDS parses and decodes no others."""
    names = [*self.features.values(), *(['id'] if self._has_id else [])]
    return prepared.some_features(self._builder, names)

  def _shuffle_buffer(self):
    examples = self.count(self.train_split)
    if self.shuffle_buffer is not None:
      return min(self.shuffle_buffer, examples)
    info = self._builder.info
    bytes_per_example = info.dataset_size / info.splits.total_num_examples
    return int(min(max(_SHUFFLE_BYTES // max(bytes_per_example, 1), 8), examples))

  def _records(self, split, order_seed=None):
    """Returns raw records: (file name, number of the record in its file, serialized example)."""
    files = prepared.split_info(self._builder, split).file_instructions
    columns = (
        tf.constant([os.fspath(f.filename) for f in files]),
        tf.constant([f.skip for f in files], tf.int64),
        tf.constant([f.take for f in files], tf.int64),  # -1: all
    )
    if order_seed is not None:
      keys = tf.random.stateless_uniform([len(files)], order_seed, alg='philox')
      columns = [tf.gather(column, tf.argsort(keys)) for column in columns]

    def records_of_file(path, skip, take):
      records = tf.data.TFRecordDataset(path, buffer_size=8 << 20).enumerate()
      return records.skip(skip).take(take).map(lambda number, record: (path, number, record))

    records = tf.data.Dataset.from_tensor_slices(tuple(columns)).flat_map(records_of_file)
    if self._short_videos(split):
      records = records.filter(
          lambda path, number, record: self._stored_frames(record) >= self.span)
    return records

  def _stored_frames(self, record):
    """Returns the number of frames of a raw record, without decoding them."""
    name = self.features['video']
    video = prepared.some_features(self._builder, [name])
    stored = video.deserialize_example(record, decoders={name: prepared.Undecoded()})
    return tf.shape(stored[name])[0]

  def _read(self, split, record, place):
    path, number, record = record
    spec = self._spec
    image = prepared.image_of_frames(self._builder, self.features['video'])
    decoders = {self.features['video']: prepared.Undecoded()} if image else None
    stored = self._features.deserialize_example(record, decoders=decoders)
    video = stored[self.features['video']]
    with tf.control_dependencies([self._check_length(tf.shape(video)[0])]):
      window = self._window(tf.shape(video)[0], place)
    video = tf.gather(video, window)  # [stored frames, ...] -> [T, ...]
    if image:
      video = tf.stack([image.decode_example(video[t]) for t in range(self.frames)])
    if self.size is not None:
      video = self._cut(video, place if self.crop == 'random' else clip_source.first_and_middle)
    example = {'video': tf.ensure_shape(video, spec['video'].shape)}
    if self._has_id:
      example['id'] = stored['id']
    else:
      name = tf.strings.split(path, os.sep)[-1]
      example['id'] = tf.strings.join([name, tf.strings.as_string(number)], ':')
    if 'label' in spec:
      example['label'] = tf.cast(stored[self.features['label']], tf.int32)
    if 'actions' in spec:
      actions = stored[self.features['actions']]
      # There may be T - 1 actions between T frames. The last frame then repeats the last action.
      actions = tf.gather(actions, tf.minimum(window, tf.shape(actions)[0] - 1))
      actions = tf.cast(actions, tf.float32)
      example['actions'] = tf.ensure_shape(actions, spec['actions'].shape)
    return example

  def _cut(self, video, place):
    """Crops frames: [T, H, W, C] -> [T, size, size, C]."""
    shape = tf.shape(video)
    enough = tf.debugging.assert_greater_equal(
        tf.reduce_min(shape[1:3]), self.size,
        f'frames of {self.dataset} are smaller than PreparedClips.size = {self.size}')
    with tf.control_dependencies([enough]):
      top, left = (place(axis, shape[axis] - self.size + 1) for axis in (1, 2))
    return video[:, top:top + self.size, left:left + self.size]

  def _check_length(self, stored_frames):
    """Returns an op that fails if a video of variable length is too short."""
    return tf.debugging.assert_greater_equal(
        stored_frames, self.span, _too_short(self.dataset, 'a video with too few', self))


class FileClips(clip_source.ClipSource):
  """Clips of arrays in files, one file per split.

  An .npz file has `video`, uint8 [N, frames, H, W, C], and optionally `actions`, numbers
  [N, frames, A], and `label`, integers [N]. It is loaded whole. An .npy file has the videos alone.
  If it is local, it stays on disk and is read clip by clip. All splits must have the same arrays,
  of the same H, W, C and A.

  Args:
    train_path: str, path of the file of the split 'train'.
    frames: int, number of frames of a clip, T.
    frame_step: int, distance between consecutive frames of a clip, in stored frames.
    validation_path: str, path of the file of the split 'validation', or None.
    test_path: str, path of the file of the split 'test', or None.
  """

  def __init__(self, train_path, frames, frame_step=1, validation_path=None, test_path=None):
    super().__init__(frames, frame_step, 'train')
    paths = {'train': train_path, 'validation': validation_path, 'test': test_path}
    self.paths = {split: path for split, path in paths.items() if path}
    self._loaded = {}

  def count(self, split):
    """Returns the number of examples of a split."""
    return len(self._arrays(split)['video'])

  def example_spec(self):
    """Returns the specs of one example, see `ClipSource.example_spec`."""
    arrays = self._arrays('train')
    spec = {'video': tf.TensorSpec((self.frames,) + arrays['video'].shape[2:], tf.uint8),
            'id': tf.TensorSpec([], tf.string)}
    if 'label' in arrays:
      spec['label'] = tf.TensorSpec([], tf.int32)
    if 'actions' in arrays:
      spec['actions'] = tf.TensorSpec([self.frames, arrays['actions'].shape[2]], tf.float32)
    return spec

  def unreachable(self):
    """See `ClipSource.unreachable`."""
    return (f'{self.paths["train"]} is read by this process: make a data set of it on gs:// '
            '(docs/data.md), and bind PreparedClips')

  def identity(self, split):
    """Returns what the clips of a split depend on, see `ClipSource.identity`."""
    path = self.paths[split]
    return [os.path.abspath(path), files.size_and_time(path), self.frames, self.frame_step]

  def _arrays(self, split):
    """Returns the arrays of a split, a dict. They are loaded and checked once."""
    if split not in self.paths:
      raise ValueError(f'no file for split {split!r}; there are files for: {", ".join(self.paths)}')
    if split not in self._loaded:
      arrays = _load_arrays(self.paths[split])
      if arrays['video'].shape[1] < self.span:
        raise ValueError(_too_short(self.paths[split], arrays['video'].shape[1], self))
      if split != 'train' and _forms(arrays) != _forms(self._arrays('train')):
        raise ValueError(f'{self.paths[split]} has {_forms(arrays)} per example, but '
                         f'{self.paths["train"]} has {_forms(self._arrays("train"))}: make them '
                         'equal')
      self._loaded[split] = arrays
    return self._loaded[split]

  def _shuffle_buffer(self):
    return self.count('train')

  def _records(self, split, order_seed=None):
    """Returns raw records: the numbers of the examples."""
    return tf.data.Dataset.range(self.count(split))

  def _read(self, split, record, place):
    arrays, spec = self._arrays(split), self.example_spec()
    window = self._window(arrays['video'].shape[1], place)

    def lookup(name):
      dtype = spec[name].dtype.as_numpy_dtype

      def pick(i, frames):
        array = arrays[name][i]
        return np.asarray(array if name == 'label' else array[frames], dtype)

      value = tf.numpy_function(pick, [record, window], dtype, stateful=False)
      return tf.ensure_shape(value, spec[name].shape)

    example = {name: lookup(name) for name in spec if name != 'id'}
    return {**example, 'id': tf.strings.join([split, tf.strings.as_string(record)], ':')}


def _forms(arrays):
  """Returns the shape of each array without the axes N and frames: name -> list."""
  return {name: list(array.shape[2:]) for name, array in sorted(arrays.items())}


def _load_arrays(path):
  """Reads `video`, and `actions` and `label` if present, from an .npz or .npy; checks them."""
  if not tf.io.gfile.exists(path):
    raise FileNotFoundError(f'there is no file {path}')
  arrays = files.read_arrays(path, ('video', 'actions', 'label'), mapped=True)
  if '' in arrays:  # an .npy file
    arrays = {'video': arrays['']}
  elif 'video' not in arrays:
    there = ', '.join(files.read_arrays(path)) or 'nothing'
    raise ValueError(f'{path} has no array `video`; it has: {there}')
  expected = {
      'video': ('uint8 [N, frames, H, W, C]', 5, np.uint8),
      'actions': ('numbers [N, frames, A]', 3, np.number),
      'label': ('integers [N]', 1, np.integer),
  }
  for name, array in arrays.items():
    form, rank, kind = expected[name]
    shared = min(rank, 2)  # N and frames must equal the video's
    if (array.ndim != rank or not np.issubdtype(array.dtype, kind)
        or array.shape[:shared] != arrays['video'].shape[:shared]):
      raise ValueError(
          f'`{name}` in {path} must be {form}, got {array.dtype} {list(array.shape)} '
          f'beside `video` {list(arrays["video"].shape)}')
  return arrays


def _too_short(source, stored_frames, clips):
  return (
      f'{source} has {stored_frames} frames, but clips of frames={clips.frames} with frame_step='
      f'{clips.frame_step} need {clips.span}; ask for fewer frames or a smaller frame_step')
