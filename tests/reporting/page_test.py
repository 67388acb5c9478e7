"""The page: self-contained, escaped, and its pictures decode."""

import base64
import hashlib
import html.parser
import io
import re

import numpy as np
import PIL.Image
import pytest

from tf_videogen.model_directory import results
from tf_videogen.reporting import galleries
from tf_videogen.reporting import page
from tf_videogen.reporting import players

VOID = {'meta', 'img', 'br', 'input', 'wbr'}


class _Structure(html.parser.HTMLParser):
  """Collects elements and checks that they close in order."""

  def __init__(self):
    super().__init__()
    self.open, self.elements = [], []

  def handle_starttag(self, tag, attrs):
    self.elements.append((tag, dict(attrs)))
    if tag not in VOID:
      self.open.append(tag)

  def handle_endtag(self, tag):
    assert self.open.pop() == tag

  def handle_startendtag(self, tag, attrs):
    self.elements.append((tag, dict(attrs)))


def elements(path):
  """The (tag, attributes) of all elements of a well-formed page."""
  structure = _Structure()
  with open(path, encoding='utf-8') as f:
    structure.feed(f.read())
  assert not structure.open
  return structure.elements


def pictures(path, kind):
  """The decoded images of a kind, as Pillow images."""
  prefix = f'data:image/{kind};base64,'
  return [PIL.Image.open(io.BytesIO(base64.b64decode(attributes['src'][len(prefix):])))
          for tag, attributes in elements(path)
          if tag == 'img' and attributes['src'].startswith(prefix)]


def clips(path):
  """The videos of a page: a list of (attributes, frames), frames uint8 [T, H, W, 3]."""
  found, attributes = [], None
  for tag, some in elements(path):
    if some.get('class') == 'clip':
      attributes = some
    elif tag == 'img' and some['src'].startswith('data:image/webp'):
      data = base64.b64decode(some['src'].partition(',')[2])
      strip = np.asarray(PIL.Image.open(io.BytesIO(data)).convert('RGB'))  # [H, T*W, 3]
      found.append(({**attributes, **some}, np.stack(
          np.split(strip, int(attributes['data-frames']), axis=1))))
  return found


def assert_self_contained(path):
  """Nothing in the page makes a browser load anything, or run anything but the page's scripts."""
  with open(path, encoding='utf-8') as f:
    text = f.read()
  assert 'http:' not in text and 'https:' not in text
  assert "default-src 'none'" in text
  scripts = re.findall(r'<script>(.*?)</script>', text, re.DOTALL)
  hashes = [base64.b64encode(hashlib.sha256(script.encode()).digest()) for script in scripts]
  allowed = ' '.join(f"'sha256-{x.decode()}'" for x in hashes)
  assert re.findall(r"script-src ([^;\"]*)", text) == ([allowed] if hashes else [])
  for tag, attributes in elements(path):
    assert tag not in ('link', 'iframe', 'object', 'base')
    assert tag != 'script' or not attributes
    assert not any(name.startswith('on') for name in attributes)
    assert attributes.get('src', 'data:').startswith('data:')
    assert re.match(r'#', attributes.get('href', attributes.get('xlink:href', '#')))
  assert not re.search(r'@import|url\((?!#)', text)


def _video(n=2, t=5, size=16, channels=1, seed=0):
  """Random clips with few colors, so that a GIF keeps them: uint8 [n, t, size, size, channels]."""
  values = np.random.default_rng(seed).integers(0, 6, [n, t, size, size, channels])
  return (values * 51).astype(np.uint8)


def _result(step, split, metric, value, examples=8, protocol=''):
  return results.Result(step, split, metric, value, examples=examples, protocol=protocol)


def _written(path, *blocks, title='A title'):
  page.write_page(str(path), 'Page', [page.Section(title, list(blocks))])
  return path.read_text(encoding='utf-8')


def test_a_page_is_self_contained_and_escaped(tmp_path):
  nasty = '<script src="http://x">&"\''
  nasty_safe = nasty.replace('http:', 'h')
  sections = [page.Section('', [page.Text(nasty_safe, lead=True)])] + [
      page.Section(nasty_safe, [
          page.Text(nasty_safe), page.Tiles([(nasty_safe, nasty_safe)]),
          page.Facts(nasty_safe, [(nasty_safe, nasty_safe)]),
          page.Commands(nasty_safe, [nasty_safe]), page.Folded(nasty_safe, nasty_safe),
          page.Numbers([_result(1, nasty_safe, nasty_safe, 1.)], {nasty_safe: nasty_safe}),
          galleries.Gallery(nasty_safe, {nasty_safe: _video()}, text=nasty_safe)])] * 2
  path = tmp_path / 'new' / 'page.html'
  page.write_page(str(path), nasty_safe, sections)
  assert_self_contained(path)
  assert list(path.parent.iterdir()) == [path]  # No temporary files stay.
  found = elements(path)
  ids = [attributes['id'] for tag, attributes in found if tag == 'section']
  links = [attributes['href'] for tag, attributes in found if tag == 'a']
  assert len(set(ids)) == 2 and links == [f'#{anchor}' for anchor in ids]


def test_empty_blocks_leave_nothing(tmp_path):
  text = _written(tmp_path / 'page.html', page.Tiles([]), page.Facts('Facts', []),
                  page.Commands('Commands', []), page.Numbers([]), page.Curves('Curves', []),
                  galleries.Gallery('Clips', {}))
  for word in ('Facts', 'Commands', 'Numbers', 'Curves', 'Clips'):
    assert word not in text


def test_numbers_show_the_latest_values_and_the_paper(tmp_path):
  rows = [_result(10, 'test', 'nmse', 0.9), _result(20, 'test', 'nmse', 0.25),
          _result(20, 'valid', 'nmse', 0.75), _result(20, 'test', 'psnr', 25.125, examples=4),
          _result(30, 'test', 'psnr', 1., protocol='some')]
  text = _written(tmp_path / 'page.html',
                  page.Numbers(rows, {('test', 'nmse'): 0.2, 'psnr': '25 to 26'}))
  cells = re.findall(r'<td class="(value|paper)">(.*?)</td>', text)
  assert [value for _, value in cells] == [
      '0.25', '0.75', '–', '0.2 (test)', '–', '–', '25.12', '25 to 26']
  assert 'step 20 · 8 clips' in text and 'step 20 · 4 clips' in text
  assert 'divided by the variance' in text


def test_a_paper_without_these_metrics_has_no_column(tmp_path):
  text = _written(tmp_path / 'page.html', page.Numbers([_result(1, 'test', 'a', 1.)], {'b': 2.}))
  assert 'paper</th>' not in text


@pytest.mark.parametrize('value,text', [
    (0., '0'), (0.123456, '0.1235'), (-3., '−3'), (1e-5, '1.00e−05'), (12345.6, '12,346'),
    (3e12, '3.000e+12'), (float('nan'), 'not a number'), (float('inf'), '∞')])
def test_number(value, text):
  assert page.number(value) == text


@pytest.mark.parametrize('value,std,text', [
    (104.23, 3.456, '104.2 ± 3.5'), (1234.5, 12.3, '1,234 ± 12'),
    (-0.87312, 0.00123, '−0.8731 ± 0.0012'),
    (0.5, float('nan'), '0.5'), (0.5, 0., '0.5 ± 0'), (2., 1e-9, '2 ± 1.00e−09'),
    (float('nan'), 1., 'not a number ± 1')])
def test_with_deviation(value, std, text):
  assert page.with_deviation(value, std) == text


def test_a_page_without_items_has_no_filter(tmp_path):
  path = tmp_path / 'page.html'
  text = _written(path, page.Text('words'))
  assert '<script' not in text and 'script-src' not in text
  assert '<script' in _written(path, page.Numbers([_result(1, 'test', 'a', 1.)]))
  assert_self_contained(path)


@pytest.mark.parametrize('channels', [1, 3])
def test_gallery_pictures_decode(tmp_path, channels):
  videos = {'samples': _video(3, 5, channels=channels), 'data': _video(2, 5, channels=channels)}
  path = tmp_path / 'page.html'
  text = _written(path, galleries.Gallery('Clips', videos, conditioning_frames=2, fps=10))
  found = clips(path)
  assert [len(frames) for _, frames in found] == [5] * 5
  assert text.index('<b>Real</b>') < text.index('<b>Generated</b>')
  for i, (attributes, frames) in enumerate(found):
    video = videos['data'][i] if i < 2 else videos['samples'][i - 2]
    np.testing.assert_array_equal(frames, np.broadcast_to(video, (5, 16, 16, 3)))
    assert attributes['data-fps'] == '10'
  strips = pictures(path, 'png')
  assert [strip.size for strip in strips] == [(5 * (18 + 2) - 2, 18)] * 2
  assert 'first 2 frames of each generated video were given' in text


def test_conditioning_frames_are_outlined_in_samples_only(tmp_path):
  dark = np.broadcast_to(20 * np.arange(3, dtype=np.uint8)[:, None, None, None], [1, 3, 16, 16, 1])
  videos = {'data': dark, 'samples': dark}
  path = tmp_path / 'page.html'
  _written(path, galleries.Gallery('Clips', videos, conditioning_frames=2))
  (data, _), (samples, _) = clips(path)
  assert 'data-given' not in data and samples['data-given'] == '2'
  strips = [np.asarray(strip.convert('RGB')) for strip in pictures(path, 'png')]
  outlined = [[strip[0, 20 * t].max() > 150 for t in range(3)] for strip in strips]
  assert outlined == [[False, False, False], [True, True, False]]


def test_the_difference_is_shown_of_pairs_alone(tmp_path):
  """Samples are compared with the data of their index if they continue it, or are paired."""
  videos = {'data': _video(2), 'samples': _video(2, seed=1), 'motion': _video(2, seed=2)}
  path = tmp_path / 'page.html'
  for paired, given in ((False, 0), (True, 0), (False, 1)):
    _written(path, galleries.Gallery('Clips', videos, given, paired=paired))
    of_kind = {kind: [attributes for attributes, _ in clips(path) if kind in attributes['alt']]
               for kind in ('Real', 'Generated', 'Motion')}
    names = [one['data-name'] for one in of_kind['Real']]
    assert len(set(names)) == 2
    against = [one.get('data-against') for one in of_kind['Generated']]
    assert against == (names if paired or given else [None, None])
    assert not any('data-against' in one for one in of_kind['Motion'])


def test_several_samples_have_a_row_a_condition(tmp_path):
  dark = np.full([3, 4, 16, 16, 1], 20, np.uint8)
  kinds = ('motion', 'samples_10', 'samples_2', 'data', 'samples')
  path = tmp_path / 'page.html'
  text = _written(path, galleries.Gallery(
      'Videos', {name: dark[:2] if name == 'motion' else dark for name in kinds},
      conditioning_frames=2, protocol='some'))
  assert 'data-protocol="some"' in text and 'the clips that are continued' in text
  alts = re.findall(r'alt="([\w, ]+) (\d), moving"', text)
  order = ('Real', 'Generated', 'Generated, sample 2', 'Generated, sample 10', 'Motion')
  assert alts == [(name, row) for row in '123' for name in order if (name, row) != ('Motion', '3')]
  assert 'first 2 frames of each generated video were given' in text
  given = {attributes['alt'].rpartition(' ')[0][:-3]: attributes.get('data-given')
           for attributes, _ in clips(path)}
  assert given == {name: '2' if 'Generated' in name else None for name in order}


def test_long_videos_fit_into_a_picture():
  """WebP has at most 16,383 pixels to a side: every second frame is there, at half the speed."""
  text = players.clip(np.zeros([90, 2, 256, 1], np.uint8), 'long', given=3, fps=10)
  for part in ('data-frames="45"', 'data-fps="5"', 'data-given="2"'):
    assert part in text


def test_a_large_gallery_shows_fewer_clips(tmp_path):
  noise = np.random.default_rng(0).integers(0, 256, [12, 8, 32, 32, 3]).astype(np.uint8)
  path = tmp_path / 'page.html'
  _written(path, galleries.Gallery('Clips', {'samples': noise}, max_bytes=150_000))
  count = len(clips(path))
  assert 1 <= count < 12 and f'{count} of 12 videos are shown' in path.read_text()
  assert path.stat().st_size < 200_000


def test_long_videos_have_strips_of_some_frames(tmp_path):
  text = _written(tmp_path / 'page.html', galleries.Gallery('Clips', {'samples': _video(1, 40)}))
  assert 'Every third frame of the first clip' in text


def test_gallery_refuses_what_is_no_video():
  with pytest.raises(ValueError, match='Clips: samples must be uint8'):
    galleries.Gallery('Clips', {'samples': np.zeros([1, 2, 8, 8, 3], np.float32)})


def test_read_gallery(tmp_path):
  path = tmp_path / 'my_samples.npz'
  np.savez(path, samples=_video(), conditioning_frames=np.int32(3), fps=5, label=np.zeros([2]))
  gallery = galleries.read_gallery(str(path))
  assert gallery.title == 'my samples' and list(gallery.videos) == ['samples']
  assert gallery.conditioning_frames == 3 and gallery.fps == 5


def test_read_gallery_names_a_bad_file(tmp_path):
  damaged = tmp_path / 'damaged.npz'
  damaged.write_bytes(b'PK\x03\x04 not a zip')
  with pytest.raises(ValueError, match='damaged.npz cannot be read'):
    galleries.read_gallery(str(damaged))
  np.savez(tmp_path / 'other.npz', label=np.zeros([2]))
  with pytest.raises(ValueError, match='must hold videos.*holds label'):
    galleries.read_gallery(str(tmp_path / 'other.npz'))
