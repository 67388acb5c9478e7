"""Makes raw data in the formats of the real data sets: AVI, MP4, MOV, GIF, records of BAIR."""

import fractions
import struct

import av
import numpy as np
from PIL import Image
import tensorflow as tf

from tf_videogen.preparation import raw_videos


def moving_square(frames=20, height=48, width=64, seed=0):
  """A video, uint8 [T, H, W, 3]: a bright square crosses a smooth colourful picture."""
  rng = np.random.default_rng(seed)
  y, x = np.mgrid[:height, :width] / max(height, width)
  phase = rng.uniform(0, 6, 3)
  picture = np.stack([90 + 60 * np.sin(5 * x + 3 * y + p) for p in phase], -1)
  video = np.repeat(picture[np.newaxis], frames, 0)
  for t in range(frames):
    left = int(t * (width - 12) / max(frames - 1, 1))
    video[t, 8:20, left:left + 12] = 240
  return video.astype(np.uint8)


def write_video(path, video, fps=25, codec='h264', container=None, rotation=0,
                matrix=None):
  """Writes a video by FFmpeg.

  Args:
    path: a pathlib.Path.
    video: uint8 [T, H, W, 3].
    fps: frames per second, an int or a fraction.
    codec: 'h264', or 'mpeg4' (that of UCF-101's AVI files).
    container: FFmpeg's name of it; None: by the path's ending.
    rotation: quarter turns clockwise by which a player turns what is stored; MOV and MP4 alone.
    matrix: (a, b, c, d) of the display matrix, instead of `rotation`: a stored pixel (x, y) is
      shown at (a x + c y, b x + d y), up to a shift.
  """
  path.parent.mkdir(parents=True, exist_ok=True)
  with av.open(str(path), 'w', format=container) as output:
    stream = output.add_stream(codec, rate=fractions.Fraction(fps).limit_denominator(1001))
    stream.height, stream.width = video.shape[1:3]
    stream.pix_fmt = 'yuv420p'
    stream.options = {'crf': '12'} if codec == 'h264' else {'qscale': '2', 'b': '4000000'}
    for frame in video:
      output.mux(stream.encode(av.VideoFrame.from_ndarray(frame, format='rgb24')))
    output.mux(stream.encode())
  if rotation:
    cos, sin = [(1, 0), (0, 1), (-1, 0), (0, -1)][rotation % 4]
    matrix = (cos, sin, -sin, cos)
  if matrix:
    _set_matrix(path, matrix)


def read_video(path, channels=3):
  """All of a file: its video, uint8 [T, H, W, C], and its frames per second."""
  video = raw_videos.read(path, channels=channels, limits=raw_videos.Limits(max_aspect=1000))
  return np.stack(video.frames), video.fps


def write_timed(path, times, sound_seconds=0, rate=30):
  """Writes an MKV whose frames are shown at these milliseconds, beside sound."""
  with av.open(str(path), 'w') as output:
    stream = output.add_stream('mpeg4', rate=rate)
    stream.height, stream.width, stream.pix_fmt = 48, 64, 'yuv420p'
    stream.codec_context.time_base = fractions.Fraction(1, 1000)
    sound = output.add_stream('aac', rate=16000) if sound_seconds else None
    for t, frame in zip(times, moving_square(len(times))):
      frame = av.VideoFrame.from_ndarray(frame, format='rgb24')
      frame.pts, frame.time_base = t, fractions.Fraction(1, 1000)
      output.mux(stream.encode(frame))
    output.mux(stream.encode())
    for i in range(sound_seconds * 16000 // 1024):
      frame = av.AudioFrame.from_ndarray(np.zeros((1, 1024), np.float32), 'fltp', 'mono')
      frame.rate, frame.pts = 16000, 1024 * i
      output.mux(sound.encode(frame))
    if sound:
      output.mux(sound.encode())


def write_cut(folder):
  """Writes long.mp4, and cut.mp4 without its first second, as cutters do that copy streams.

  They leave frames in front that are not shown, and a note of that.
  """
  write_video(folder / 'long.mp4', moving_square(90), fps=30)
  with av.open(str(folder / 'long.mp4')) as source, av.open(
      str(folder / 'cut.mp4'), 'w', options={'avoid_negative_ts': 'disabled'}) as output:
    stream = source.streams.video[0]
    copy = output.add_stream_from_template(stream)
    first = int(1 / stream.time_base)  # a second is not shown
    for packet in source.demux(stream):
      if packet.dts is not None:
        packet.pts, packet.dts = packet.pts - first, packet.dts - first
        packet.stream = copy
        output.mux(packet)


def write_sound(path):
  """Writes a file without a video stream."""
  with av.open(str(path), 'w') as output:
    stream = output.add_stream('aac', rate=16000)
    stream.layout = 'mono'
    frame = av.AudioFrame.from_ndarray(np.zeros((1, 1024), np.float32), 'fltp', 'mono')
    frame.rate = 16000
    output.mux(stream.encode(frame))
    output.mux(stream.encode())


def _set_matrix(path, matrix):
  """Sets the matrix of the track's header, as a phone that is held upright does."""
  content = bytearray(path.read_bytes())
  start = content.index(b'tkhd') + 4 + 40  # the matrix follows 40 bytes of a header of version 0
  a, b, c, d = [number << 16 for number in matrix]
  content[start:start + 36] = struct.pack('>9i', a, b, 0, c, d, 0, 0, 0, 1 << 30)
  path.write_bytes(bytes(content))


def write_gif(path, pictures, delays=40, disposal=0, transparency=None):
  """Writes a GIF of Pillow images; delays in milliseconds, one or one a frame."""
  path.parent.mkdir(parents=True, exist_ok=True)
  options = {} if transparency is None else {'transparency': transparency}
  pictures[0].save(path, 'GIF', save_all=True, append_images=pictures[1:], duration=delays,
                   disposal=disposal, loop=0, optimize=False, **options)


def square_gif(path, frames=20, height=48, width=64, delays=40):
  """Writes a GIF of `moving_square`."""
  video = moving_square(frames, height, width)
  write_gif(path, [Image.fromarray(frame).quantize(64) for frame in video], delays)


def bair_record(video, actions, positions, without=()):
  """A record of BAIR's, serialized: raw bytes of both cameras' frames."""
  features = {}
  for t, frame in enumerate(video):
    raw = tf.train.Feature(bytes_list=tf.train.BytesList(value=[frame.tobytes()]))
    features[f'{t}/image_aux1/encoded'] = raw
    features[f'{t}/image_main/encoded'] = tf.train.Feature(
        bytes_list=tf.train.BytesList(value=[bytes(frame.nbytes)]))
    for name, values in (('action', actions[t]), ('endeffector_pos', positions[t])):
      features[f'{t}/{name}'] = tf.train.Feature(float_list=tf.train.FloatList(value=values))
  for name in without:
    del features[name]
  return tf.train.Example(features=tf.train.Features(feature=features)).SerializeToString()


def write_bair(folder, split, first, count, **kwargs):
  """Writes `count` videos into <folder>/softmotion30_44k/<split>/traj_<first>_to_<last>.tfrecords.

  Returns:
    The path, and the videos, uint8 [count, 30, 64, 64, 3].
  """
  path = folder / 'softmotion30_44k' / split / f'traj_{first}_to_{first + count - 1}.tfrecords'
  path.parent.mkdir(parents=True, exist_ok=True)
  videos = np.stack([moving_square(30, 64, 64, seed=first + i) for i in range(count)])
  with tf.io.TFRecordWriter(str(path)) as writer:
    for i, video in enumerate(videos):
      actions = np.full((30, 4), first + i, np.float32) + np.arange(30)[:, np.newaxis]
      positions = np.full((30, 3), -i, np.float32)
      writer.write(bair_record(video, actions, positions, **kwargs))
  return path, videos
