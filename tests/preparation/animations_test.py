"""Animated pictures: as many frames come out as went in, as a browser shows them."""

import io

import numpy as np
from PIL import Image
import pytest

from tf_videogen.preparation import animations
from tf_videogen.preparation import raw_videos


def _times(delays, tick=10):
  return animations.rhythm(delays, tick)[0]


def _merged(frames, rate, runs, rounded):
  """Delays in milliseconds of `frames` frames of which runs were merged: {first: length}."""
  bounds = [i for i in range(frames + 1)
            if not any(first < i < first + length for first, length in runs.items())]
  return [10 * rounded(start, stop, 100 / rate) for start, stop in zip(bounds, bounds[1:])]


_WRITERS = {
    # Each moment is rounded, as by FFmpeg; or each delay is, as by Pillow, up to 12 or since.
    'moments': lambda start, stop, period: int(stop * period + .5) - int(start * period + .5),
    'cut': lambda start, stop, period: int((stop - start) * period),
    'rounded': lambda start, stop, period: round((stop - start) * period)}


@pytest.mark.parametrize('writer', _WRITERS)
@pytest.mark.parametrize('rate', [30, 29.97, 25, 24, 20, 15, 12.5, 12, 10, 8, 6, 5])
def test_as_many_frames_as_went_in(rate, writer):
  for runs in ({}, {3: 2}, {3: 3, 9: 2}, {1: 6}, {2: 4, 8: 7}):
    delays = _merged(20, rate, runs, _WRITERS[writer])
    times, fps = animations.rhythm(delays, 10)
    assert sum(times) == 20, (runs, delays)
    assert [n for n in times if n > 1] == list(runs.values())
    assert fps == pytest.approx(1000 * 20 / sum(delays))


@pytest.mark.parametrize('rate', [30, 24, 60, 12.5])
def test_milliseconds(rate):
  moments = [int(1000 * t / rate + .5) for t in [0, 1, 2, 5, 6, 7, 9, 10, 11, 12]]
  assert _times(np.diff(moments).tolist(), 1) == [1, 1, 3, 1, 1, 2, 1, 1, 1]


@pytest.mark.parametrize('delays, times, fps', [
    ([40] * 15 + [1000], [1] * 16, 25), ([100] * 15 + [2500], [1] * 16, 10),
    ([30, 40, 30, 30, 40, 2000], [1] * 6, 5000 / 170),
    ([40, 40, 40, 120], [1, 1, 1, 3], 25),  # no hold, but equal frames at the end
    ([1000, 1000, 1000], [1] * 3, 1), ([3000], [1], 1 / 3), ([100, 2000, 2000], [1, 20, 20], 10),
    ([30, 70, 20], [1] * 3, 25), ([100, 60, 60, 70], [1] * 4, 4000 / 290)])
def test_held_and_irregular(delays, times, fps):
  assert animations.rhythm(delays, 10) == (times, pytest.approx(fps))


# --- what a browser shows ---


def _gif(path, rectangles, size=(6, 6), background=1, delay=10):
  """Writes a GIF of rectangles (left, top, width, height, color, disposal); 7 is transparent."""
  palette = bytes([255, 0, 0, 0, 255, 0, 0, 0, 255, 9, 9, 9, 90, 90, 90, 0, 0, 0, 0, 0, 0, 0, 0, 0])
  content = b'GIF89a' + bytes([size[0], 0, size[1], 0, 0x82, background, 0]) + palette
  for left, top, width, height, color, disposal in rectangles:
    picture = Image.new('P', (width, height), color)
    picture.putpalette(palette)
    alone = io.BytesIO()
    picture.save(alone, 'GIF', optimize=False)
    image = alone.getvalue()
    image = image[image.index(b'\x2c', 13 + 3 * 8 if image[10] & 7 == 2 else 13):]
    content += b'\x21\xf9\x04' + bytes([disposal << 2 | (color == 7), delay, 0, 7, 0])
    content += b'\x2c' + bytes([left, 0, top, 0]) + image[5:-1]
  path.write_bytes(content + b';')


_RED, _GREEN, _BLUE, _WHITE = (255, 0, 0), (0, 255, 0), (0, 0, 255), (255, 255, 255)


@pytest.mark.parametrize('disposal, left_over', [(0, _BLUE), (1, _BLUE), (2, _WHITE), (3, _RED)])
def test_disposal(tmp_path, disposal, left_over):
  """No color is transparent, and the background color is green: what is disposed of is white."""
  _gif(tmp_path / 'a.gif', [(0, 0, 6, 6, 0, 1), (1, 1, 2, 2, 2, disposal), (4, 4, 2, 2, 1, 1)])
  frames = raw_videos.read(str(tmp_path / 'a.gif')).frames
  seen = [[tuple(frame[y, x].tolist()) for y, x in ((0, 0), (1, 1), (2, 2), (4, 4))]
          for frame in frames]
  assert seen == [[_RED] * 4, [_RED, _BLUE, _BLUE, _RED], [_RED, left_over, left_over, _GREEN]]


def test_places_without_a_rectangle_are_white(tmp_path):
  _gif(tmp_path / 'a.gif', [(1, 1, 2, 2, 0, 1), (2, 2, 9, 9, 2, 1), (0, 0, 6, 6, 7, 1)])
  first, second, third = raw_videos.read(str(tmp_path / 'a.gif')).frames
  assert tuple(first[0, 0]) == _WHITE and tuple(first[1, 1]) == _RED
  assert first.shape == (6, 6, 3)  # what sticks out is cut off
  assert tuple(second[5, 5]) == _BLUE and tuple(second[1, 1]) == _RED
  np.testing.assert_array_equal(third, second)  # all of it is transparent


def _pictures(count=3, mode='RGBA'):
  """Pictures of noise, half of it transparent."""
  noise = np.random.default_rng(0).integers(256, size=(count, 8, 10, 4), dtype=np.uint8)
  noise[..., 3] = np.where(noise[..., 3] > 127, 255, 0)
  return [Image.fromarray(one).convert(mode) for one in noise]


@pytest.mark.parametrize('name, options', [
    ('a.png', {'default_image': False}), ('b.png', {'default_image': True}),
    ('a.webp', {'lossless': True, 'exact': True}), ('misnamed.gif', {'format': 'WEBP'})])
def test_animated_png_and_webp(tmp_path, name, options):
  pictures = _pictures(4)
  duration = [100, 100, 300, 100][:3 if options.get('default_image') else 4]
  pictures[0].save(tmp_path / name, **{'save_all': True, 'append_images': pictures[1:],
                                       'duration': duration, 'lossless': True, 'disposal': 1,
                                       'blend': 0, **options})
  assert animations.is_animated(tmp_path / name)
  video = raw_videos.read(str(tmp_path / name))
  shown = pictures[1:] if options.get('default_image') else pictures
  expected = []
  for picture, delay in zip(shown, duration):
    array = np.asarray(picture)
    expected += [np.where(array[..., 3:] > 0, array[..., :3], 255)] * (delay // 100)
  np.testing.assert_array_equal(video.frames, expected)
  assert video.fps == pytest.approx(10)


def test_still_pictures_are_not_animated(tmp_path):
  for name in ('a.png', 'a.webp', 'a.jpg', 'a.gif'):
    _pictures(1, 'RGB')[0].save(tmp_path / name)
    assert not animations.is_animated(tmp_path / name)
  (tmp_path / 'empty.webp').touch()
  assert not animations.is_animated(tmp_path / 'empty.webp')


@pytest.mark.parametrize('mode', ['L', 'RGB', 'P', '1'])
def test_opaque_pictures_stay_as_they_are(mode):
  picture = _pictures(1, 'RGB')[0].convert(mode)
  assert animations.over_white(picture) is picture


def test_transparent_grey_stays_grey():
  picture = Image.fromarray(np.array([[10, 20], [30, 40]], np.uint8))
  picture.putalpha(Image.fromarray(np.array([[255, 0], [255, 0]], np.uint8)))
  shown = animations.over_white(picture)
  assert shown.mode == 'L' and np.asarray(shown).tolist() == [[10, 255], [30, 255]]


def test_a_picture_too_large(tmp_path, monkeypatch):
  Image.new('1', (400, 300)).save(tmp_path / 'a.png')
  monkeypatch.setattr(Image, 'MAX_IMAGE_PIXELS', 50_000)
  with pytest.raises(raw_videos.Unusable, match='^size') as error:
    raw_videos.read(str(tmp_path / 'a.png'))
  assert '\n' not in str(error.value)


@pytest.mark.real_data
@pytest.mark.parametrize('name, frames', [
    ('field/eval_gif_merged_pillow/generated/0.gif', 16),
    ('field/eval_gif_merged_pillow/real/0.gif', 16), ('field/eval_apng/real/000.png', 16),
    ('tgif/1.gif', 45), ('tgif/2.gif', 76), ('tgif/action_1.gif', 33), ('tgif/count_1.gif', 34),
    ('tgif/frameqa_1.gif', 20)])
def test_real_animations(real_data, name, frames):
  assert len(raw_videos.read(str(real_data / name)).frames) == frames
