"""What comparing many files costs: decodings, decoded frames, seconds, peak of memory.

    python -m tests.evaluation.many_files 2000 300 first

The arguments are the number of clips per side, the frames of each, and the kind of windows. A few
real encodings stand under many names, by hard links. The measure needs no network. The peak of
memory is that of a whole process, so each number of clips needs a process of its own.
"""

import collections
import json
import os
import resource
import sys
import tempfile
import threading
import time

from tests import raw_data
from tf_videogen.data import video_io
from tf_videogen.evaluation import measures
from tf_videogen.evaluation import protocols
from tf_videogen.evaluation import run
from tf_videogen.evaluation import sides
from tf_videogen.evaluation import windows
from tf_videogen.evaluation import written_clips
from tf_videogen.preparation import some_frames
from tf_videogen.training import strategies

ENCODINGS = 4
HEIGHT, WIDTH = 48, 64
USED = 16


def write(scratch, count, frames):
  """Writes the clips of both sides, in folders of 1,000; returns the paths of the sides."""
  stored = []
  for i in range(ENCODINGS):
    stored.append(os.path.join(scratch, f'encoding{i}.mp4'))
    video_io.write_mp4(stored[-1], raw_data.moving_square(frames, HEIGHT, WIDTH, i), fps=25)
  paths = [os.path.join(scratch, name) for name in ('real', 'generated')]
  for path in paths:
    for i in range(count):
      folder = os.path.join(path, f'{i // 1000:03d}')
      if not i % 1000:
        os.makedirs(folder)
      os.link(stored[i % ENCODINGS], os.path.join(folder, f'{i:06d}.mp4'))
  return paths


class Counter:
  """Counts how often files are opened to read frames, and how many frames that decodes.

  Attributes:
    decodings, frames: collections.Counter of paths. Frames that tell how a video is to be turned
      are those of the path None.
  """

  def __init__(self):
    self.decodings, self.frames = collections.Counter(), collections.Counter()
    lock, here = threading.Lock(), threading.local()
    read, decoded = some_frames.read, some_frames._decoded

    def counting_read(path, numbers):
      here.path = path
      with lock:
        self.decodings[path] += 1
      try:
        return read(path, numbers)
      finally:
        here.path = None

    def counting_frames(container, stream):
      for frame in decoded(container, stream):
        with lock:
          self.frames[getattr(here, 'path', None)] += 1
        yield frame

    some_frames.read, some_frames._decoded = counting_read, counting_frames


def _peak():
  """The largest memory of this process so far, in MB."""
  return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def measure(paths, kind):
  """Compares two sides; returns a dict of figures, `_s` in seconds, `_mb` in MB."""
  counter, start, before = Counter(), time.monotonic(), _peak()
  found = [written_clips.WrittenClips(path) for path in paths]
  listed = time.monotonic()
  for side in found:
    side.survey()
  seen = time.monotonic()
  both = sides.matched(found[0], found[1:], sides.Wishes(USED, windows=windows.Windows(kind)))
  protocol = protocols.Protocol('many', [measures.PowerSpectrum((1,), 2)])
  compared = run.run(protocol, both.real, None, strategies.get('cpu'), generated=both.generated[0])
  assert compared.curves
  counts = [counter.frames[path] for path in counter.decodings]
  return {'files': len(counter.decodings), 'most_decodings_of_a_file': max(
      counter.decodings.values()), 'mean_frames_of_a_file': sum(counts) / len(counts),
          'most_frames_of_a_file': max(counts), 'frames_of_headers': counter.frames[None],
          'list_s': listed - start, 'headers_s': seen - listed,
          'compare_s': time.monotonic() - seen, 'before_mb': before, 'peak_mb': _peak()}


def main(count, frames, kind):
  """Prints the figures of so many clips per side."""
  with tempfile.TemporaryDirectory() as scratch:
    os.environ['TF_VIDEOGEN_CACHE'] = os.path.join(scratch, 'cache')
    print(json.dumps(measure(write(scratch, count, frames), kind)))


if __name__ == '__main__':
  main(int(sys.argv[1]), int(sys.argv[2]), sys.argv[3])
