"""Clips of videos for training and evaluation, from prepared TFDS data sets or files of arrays.

`PreparedClips` and `FileClips` have the methods of `clip_source.ClipSource`: `training`,
`evaluation`, `example_spec`, `count`.
"""

import functools
import os

import numpy as np
import tensorflow as tf

from tf_videogen import files
from tf_videogen.data import array_files
from tf_videogen.data import clip_records
from tf_videogen.data import clip_source
from tf_videogen.data import prepared
from tf_videogen.preparation import clip_index


class PreparedClips(clip_source.ClipSource):
  """Clips of a data set that TFDS has prepared, one of this suite or any other.

  Splits may be slices in the notation of TFDS, such as 'train[:70%]' or 'train[70%:]+test', which
  count videos. The `id` of a clip is the feature of that name. If the data set has no such feature,
  the `id` is made of the file's name and the record's number in the file.

  Of a data set of this suite, the pieces of a video that a clip shows are read. Of others, and of
  those that versions 1 prepared, whole videos are read.

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
    size: int, height and width of the clips, which are cut out of larger frames. For evaluation,
      they are cut out of the middle. If None, clips show whole frames, which must all have the same
      size.
    crop: 'random' or 'center', where clips are cut out for training.
    drop_short: bool, whether videos with too few frames are left out. If False, they are an error.
  """

  def __init__(self, dataset, frames, frame_step=1, data_dir=None, train_split='train',
               features=None, size=None, crop='random', drop_short=False):
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
    self._indexes, self._videos_of = {}, {}

  def count(self, split):
    """Returns the number of examples of a split or slice."""
    return len(self._videos(split)[1])

  def index(self, split):
    """Returns the clip_index.Index of the splits that a split or slice takes videos of."""
    return self._index(tuple(prepared.split_names(self._builder, split)))

  def videos(self, split):
    """Returns the numbers of the examples in the `index`, int64 [count]."""
    return self._videos(split)[1]

  def _index(self, names, counted=False):
    """Returns the Index of splits; `counted`: the numbers of frames of whole videos, too."""
    if (names, counted) not in self._indexes:
      video = self.features['video'] if counted else None
      self._indexes[names, counted] = clip_index.joined([
          clip_index.of_split(self._builder.info.splits[name], self._piece_frames, video)
          for name in names])
    return self._indexes[names, counted]

  def _videos(self, split):
    """Returns (names of splits, numbers of a split's videos among theirs)."""
    if split not in self._videos_of:
      names = tuple(prepared.split_names(self._builder, split))
      infos, shortest = self._builder.info.splits, prepared.shortest(self._builder, names)
      in_shards = {name: self._index((name,)).videos_of_shards if self._piece_frames
                         else infos[name].shard_lengths for name in names}
      numbers = prepared.videos(self._builder, split, in_shards)
      if shortest is not None and shortest < self.span:
        long = self._index(names, not self._piece_frames).frames[numbers] >= self.span
        self._check_short(split, np.count_nonzero(~long), len(long))
        numbers = numbers[long]
      self._videos_of[split] = names, numbers
    return self._videos_of[split]

  def _check_short(self, split, short, videos):
    """Raises ValueError if there are videos that are too short, and they are not to be left out."""
    needed = (f'the {self.span} frames that clips of frames={self.frames} with frame_step='
              f'{self.frame_step} need')
    if short and not self.drop_short:
      raise ValueError(
          f'{short:,} videos of {self.dataset} ({split}) are shorter than {needed}; leave them out '
          'with PreparedClips.drop_short = True, or ask for fewer frames')
    if short == videos:
      raise ValueError(f'no video of {self.dataset} ({split}) has {needed}')

  def example_spec(self):
    """Returns the specs of one example, see `ClipSource.example_spec`."""
    return dict(self._spec)

  def class_names(self):
    """See `ClipSource.class_names`."""
    if 'label' not in self.example_spec():
      return []
    return prepared.class_names(self._builder, self.features['label'])

  def unlabelled(self, split):
    """See `ClipSource.unlabelled`; what preparing the training videos counted, of any slice."""
    if 'label' not in self.features or 'train' not in prepared.split_names(self._builder, split):
      return 0
    return prepared.unlabelled(self._builder)

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

  def describe(self, builder):
    """Takes the shapes from a TFDS builder, for a data set that is not prepared."""
    self._builder = builder

  @functools.cached_property
  def _builder(self):
    return prepared.builder(self.dataset, self.data_dir)

  @functools.cached_property
  def _piece_frames(self):
    return prepared.piece_frames(self._builder)

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

  def _examples(self, split, numbers, place_at):
    names, videos = self._videos(split)
    tables, videos = clip_records.Tables(self._index(names)), tf.constant(videos)
    pieces = self._piece_frames

    def start_of(position, video):  # of the window, if the length is known before reading
      length = tf.cast(tables.frames[video], tf.int32)
      return tf.cast(place_at(position)(0, self._starts(length)), tf.int64)

    def fetch(position, number):
      video = videos[number]
      first, count = tables.rows[video], tf.constant(1, tf.int64)
      if pieces:
        start = start_of(position, video)
        first += start // pieces
        count = (start + self.span - 1) // pieces - start // pieces + 1
      return tf.data.Dataset.zip(
          (tf.data.Dataset.from_tensors((position, video)), tables.records(first, count)))

    def decode(of_video, records):
      position, video = of_video
      place = place_at(position)
      if pieces:
        stored = self._joined(records)
        start = tf.cast(start_of(position, video) % pieces, tf.int32)
        window = start + self.frame_step * tf.range(self.frames)
      else:
        stored = self._features.deserialize_example(records[0], decoders=self._decoders)
        length = tf.shape(stored[self.features['video']])[0]
        with tf.control_dependencies([self._check_length(length)]):
          window = self._window(length, place)
      if not self._has_id:
        stored['id'] = tables.name(tables.rows[video])
      return position, self._example(stored, window, place)

    fetched = numbers.interleave(
        fetch, cycle_length=clip_records.READS, num_parallel_calls=clip_records.READS,
        deterministic=True)
    return fetched.map(decode, os.cpu_count(), deterministic=True)

  @functools.cached_property
  def _image(self):
    return prepared.image_of_frames(self._builder, self.features['video'])

  @functools.cached_property
  def _decoders(self):
    return {self.features['video']: prepared.Undecoded()} if self._image else None

  def _joined(self, records):
    """Parses the pieces of a video, strings [pieces], as if they were one record."""
    infos = self._builder.info.features.get_tensor_info()
    framewise = {name for name in self.features.values() if name != self.features.get('label')}
    types = {name: tf.string if name in ('id', self.features['video']) else
                   tf.float32 if infos[name].tf_dtype.is_floating else tf.int64
             for name in [*self.features.values(), *(['id'] if self._has_id else [])]}
    stored = clip_records.parsed(records, types, framewise)
    if 'actions' in self.features:
      name = self.features['actions']
      stored[name] = tf.reshape(stored[name], [-1, *infos[name].shape[1:]])  # [frames, A]
    return stored

  def _example(self, stored, window, place):
    """Returns the example from the stored features of a video, by name; see `_read`.

    Args:
      stored: dict of tensors; frames may be images, strings [stored frames].
      window: int32 [T], places of the clip's frames in what is stored.
      place: see `ClipSource._read`.
    """
    spec = self._spec
    video = tf.gather(stored[self.features['video']], window)  # [stored frames, ...] -> [T, ...]
    if self._image:
      video = tf.stack([self._image.decode_example(video[t]) for t in range(self.frames)])
    if self.size is not None:
      video = self._cut(video, place if self.crop == 'random' else clip_source.first_and_middle)
    example = {'video': tf.ensure_shape(video, spec['video'].shape), 'id': stored['id']}
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

  def unlabelled(self, split):
    """See `ClipSource.unlabelled`."""
    return int(np.count_nonzero(self._arrays(split).get('label', np.zeros(0)) < 0))

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
      arrays = array_files.load(self.paths[split])
      if arrays['video'].shape[1] < self.span:
        raise ValueError(_too_short(self.paths[split], arrays['video'].shape[1], self))
      of_train = arrays if split == 'train' else self._arrays('train')
      forms, expected = array_files.forms(arrays), array_files.forms(of_train)
      if forms != expected:
        raise ValueError(f'{self.paths[split]} has {forms} per example, but '
                         f'{self.paths["train"]} has {expected}: make them equal')
      self._loaded[split] = arrays
    return self._loaded[split]

  def _read(self, split, number, place):
    arrays, spec = self._arrays(split), self.example_spec()
    window = self._window(arrays['video'].shape[1], place)

    def lookup(name):
      dtype = spec[name].dtype.as_numpy_dtype

      def pick(i, frames):
        array = arrays[name][i]
        return np.asarray(array if name == 'label' else array[frames], dtype)

      value = tf.numpy_function(pick, [number, window], dtype, stateful=False)
      return tf.ensure_shape(value, spec[name].shape)

    example = {name: lookup(name) for name in spec if name != 'id'}
    return {**example, 'id': tf.strings.join([split, tf.strings.as_string(number)], ':')}


def _too_short(source, stored_frames, clips):
  return (
      f'{source} has {stored_frames} frames, but clips of frames={clips.frames} with frame_step='
      f'{clips.frame_step} need {clips.span}; ask for fewer frames or a smaller frame_step')
