"""Getting networks: from the first source that has them, from what one has; and what is refused."""

import functools
import http.server
import threading

import numpy as np
import pytest
import tensorflow as tf

from tests.launch import in_process
from tests.metrics import network_files
from tf_videogen.launch import get_networks
from tf_videogen.metrics import pretrained
from tf_videogen.metrics import self_test

I3D, C3D = 'i3d_kinetics400', 'c3d_ucf101'
ARRAYS = network_files.arrays()
C3D_ARRAYS = network_files.c3d_arrays()


class _Handler(http.server.SimpleHTTPRequestHandler):
  """Serves the files of a folder, and remembers what was asked for."""

  def do_GET(self):
    self.server.asked.append(self.path)
    if self.path.startswith('/cut'):  # fewer bytes than it says
      self.path = self.path.removeprefix('/cut')
      with open(self.translate_path(self.path), 'rb') as f:
        content = f.read()
      self.send_response(200)
      self.send_header('Content-Length', str(len(content)))
      self.end_headers()
      self.wfile.write(content[:len(content) // 2])
      return
    super().do_GET()

  def log_message(self, *args):
    pass


@pytest.fixture(name='server')
def _server(tmp_path):
  """A server of the folder `served`; has `url` and `asked`, the paths that were asked for."""
  (tmp_path / 'served').mkdir()
  handler = functools.partial(_Handler, directory=str(tmp_path / 'served'))
  with http.server.ThreadingHTTPServer(('127.0.0.1', 0), handler) as server:
    server.asked, server.url = [], f'http://127.0.0.1:{server.server_address[1]}'
    thread = threading.Thread(target=server.serve_forever, args=(0.01,))
    thread.start()
    yield server
    server.shutdown()
    thread.join()


@pytest.fixture(name='cache')
def _cache(tmp_path, monkeypatch):
  """An empty cache; the known networks are small, and there are two."""
  for proxy in ('http_proxy', 'HTTP_PROXY', 'all_proxy', 'ALL_PROXY'):
    monkeypatch.delenv(proxy, raising=False)
  monkeypatch.setenv('TF_VIDEOGEN_CACHE', str(tmp_path / 'cache'))
  monkeypatch.setattr(pretrained, '_LISTINGS', tmp_path / 'listings')
  monkeypatch.setattr(get_networks, 'black_against_white', get_networks.PUBLISHED.get)
  monkeypatch.setattr(self_test, 'check', lambda: None)
  monkeypatch.setattr(self_test, 'outputs', lambda name: np.zeros(8))
  network_files.save_checkpoint(tmp_path / 'listings' / 'ckpt', ARRAYS)
  network_files.save_listing(
      tmp_path / 'listings' / f'{I3D}.csv', ARRAYS,
      network_files.checksums_of_index(tmp_path / 'listings' / 'ckpt.index'))
  network_files.save_listing(tmp_path / 'listings' / f'{C3D}.csv', {
      name: value for name, value in C3D_ARRAYS.items() if name != 'mean'})
  return tmp_path / 'cache' / 'networks'


@pytest.fixture(name='known')
def _known(cache, server, tmp_path, monkeypatch):
  """Serves a checkpoint, TF-Hub's module and C3D's files; they are the sources of the networks."""
  served = tmp_path / 'served'
  network_files.save_deepmind_checkpoint(served / 'scratch', ARRAYS)
  network_files.save_hub_archive(tmp_path / 'hub' / '1.tar.gz', ARRAYS).rename(served / '1')
  network_files.save_npz(served / 'c3d.npz', {
      f'/{name}': value for name, value in C3D_ARRAYS.items() if name != 'mean'})
  network_files.save_npz(served / 'mean2.npz', {'mean': C3D_ARRAYS['mean']})
  sources = {
      I3D: (tuple(f'{server.url}/scratch/model.ckpt.{end}'
                  for end in ('index', 'data-00000-of-00001')),
            (f'{server.url}/1?tf-hub-format=compressed',)),
      C3D: ((f'{server.url}/c3d.npz', f'{server.url}/mean2.npz'),)}
  known = {name: pretrained.Known(name, pretrained.KNOWN[name].title, sources[name])
           for name in sources}
  monkeypatch.setattr(pretrained, 'KNOWN', known)
  return served


def _run(capsys, *arguments):
  """Runs the program: (status, stdout, lines on stderr without progress bars)."""
  status = in_process.run(get_networks.main, *arguments, name='get_networks')
  out, err = capsys.readouterr()
  lines = [line.rpartition('\r')[2] for line in err.split('\n')]
  return status, out, [line for line in lines if line.strip()]


def _assert_kept(name, arrays):
  kept = pretrained.load(name)
  assert kept.keys() == arrays.keys()
  for key, value in arrays.items():
    np.testing.assert_array_equal(kept[key], value)


def test_all_from_their_first_sources(known, cache, server, capsys):
  del known
  status, out, err = _run(capsys)
  assert (status, err) == (0, [])
  assert server.asked == ['/scratch/model.ckpt.index', '/scratch/model.ckpt.data-00000-of-00001',
                          '/c3d.npz', '/mean2.npz']
  lines = out.splitlines(keepends=True)
  assert 'FVD of black against white videos' in lines.pop(1)
  assert ''.join(lines) == (
      f'{I3D}@{pretrained.fingerprint(ARRAYS)} is in {cache}/{I3D}.npz; its checksums match the '
      f'published network\n{C3D}@{pretrained.fingerprint(C3D_ARRAYS)} is in {cache}/{C3D}.npz; no '
      'published checksum is known: compare this one with others\n')
  _assert_kept(I3D, ARRAYS)
  _assert_kept(C3D, C3D_ARRAYS)

  status, out, err = _run(capsys)
  assert (status, err) == (0, []) and len(server.asked) == 4
  there, compared, other = out.splitlines()
  assert there == f'{I3D} is there already: {cache}/{I3D}.npz'
  assert other == f'{C3D} is there already: {cache}/{C3D}.npz'
  assert compared.startswith('FVD of black against white videos')


def test_one(known, cache, server, capsys):
  del known
  assert _run(capsys, f'--network={C3D}')[0] == 0
  assert server.asked == ['/c3d.npz', '/mean2.npz']
  assert [path.name for path in cache.iterdir()] == [f'{C3D}.npz']


def _gone(served):
  (served / 'scratch' / 'model.ckpt.data-00000-of-00001').unlink()


def _damaged(served):
  (served / 'scratch' / 'model.ckpt.data-00000-of-00001').write_bytes(b'half a file')


def _a_page(served):
  for file in (served / 'scratch').iterdir():
    file.write_text('<html>Please log in</html>')


def _others(served):
  network_files.save_deepmind_checkpoint(served / 'scratch', network_files.arrays(seed=1))


@pytest.mark.parametrize('spoil', [_gone, _damaged, _a_page, _others])
def test_the_second_source(known, server, capsys, spoil):
  spoil(known)
  status, out, err = _run(capsys, f'--network={I3D}')
  assert (status, err) == (0, []) and server.asked[-1] == '/1?tf-hub-format=compressed'
  assert out.startswith(f'{I3D}@{pretrained.fingerprint(ARRAYS)} is in ')
  _assert_kept(I3D, ARRAYS)


@pytest.mark.parametrize('spoil,reason', [
    (_gone, 'model.ckpt.data-00000-of-00001: status 404'),
    (_damaged, 'scratch/model.ckpt cannot be read as a checkpoint (Read less bytes'),
    (_a_page, 'scratch/model.ckpt cannot be read as a checkpoint ('),
    (_others, "scratch has other weights than TF-Hub's deepmind/i3d-kinetics-400/1, the")])
def test_no_source(known, cache, server, capsys, spoil, reason):
  """One line says why, of every source, and what to fetch by other means; the rest is got."""
  spoil(known)
  (known / '1').unlink()
  status, out, err = _run(capsys)
  assert status == 1 and err[0] == f'{I3D} was looked for at these addresses:'
  assert [line.strip() for line in err if line.startswith('  http')] == [
      f'{server.url}/scratch/model.ckpt.index',
      f'{server.url}/scratch/model.ckpt.data-00000-of-00001',
      f'{server.url}/1?tf-hub-format=compressed']
  assert reason in err[3] and err[5] == '    status 404'
  assert err[6:] == [f'get_networks: {I3D} could not be fetched; fetch elsewhere, from one of '
                     'these addresses, and give the file or folder with --network and --path']
  assert out.startswith(f'{C3D}@') and [path.name for path in cache.iterdir()] == [f'{C3D}.npz']


def test_no_server(known, cache, server, capsys, monkeypatch):
  del known
  nowhere = pretrained.Known(I3D, 'title', (('http://127.0.0.1:9/a',), (f'{server.url}/none',)))
  monkeypatch.setattr(pretrained, 'KNOWN', {I3D: nowhere})
  status, out, err = _run(capsys)
  assert (status, out) == (1, '') and not cache.exists()
  assert err[:5] == [
      f'{I3D} was looked for at these addresses:', '  http://127.0.0.1:9/a',
      '    cannot be reached: is there a network?', f'  {server.url}/none', '    status 404']
  assert len(err) == 6 and max(map(len, err)) < 200


def test_a_download_that_stops_in_the_middle(known, cache, server, capsys, monkeypatch):
  del known
  cut = pretrained.Known(C3D, 'title', ((f'{server.url}/cut/c3d.npz', f'{server.url}/mean2.npz'),))
  monkeypatch.setattr(pretrained, 'KNOWN', {C3D: cut})
  status, _, err = _run(capsys)
  assert status == 1 and not cache.exists()
  assert err[1] == f'  {server.url}/cut/c3d.npz' and 'could not be fetched' in err[-1]


def test_path(cache, tmp_path, capsys):
  folder = network_files.save_hub_module(tmp_path / 'module', ARRAYS)
  status, out, err = _run(capsys, f'--network={I3D}', f'--path={folder}')
  assert (status, err) == (0, [])
  assert out.startswith(f'{I3D}@{pretrained.fingerprint(ARRAYS)} is in {cache}/{I3D}.npz; ')
  _assert_kept(I3D, ARRAYS)


def test_path_with_other_weights_keeps_what_is_there(cache, tmp_path, capsys):
  good = network_files.save_hub_archive(tmp_path / 'module.tar.gz', ARRAYS)
  bad = network_files.save_deepmind_checkpoint(tmp_path / 'imagenet', network_files.arrays(seed=1))
  status, out, err = _run(capsys, f'--network={I3D}', f'--path={bad}')
  assert (status, out) == (1, '') and not cache.exists() and len(err) == 1
  assert err[0].startswith(f"get_networks: {bad} has other weights than TF-Hub's deepmind/")
  assert err[0].endswith('rgb_imagenet, which some ports use, is another network')
  assert _run(capsys, f'--network={I3D}', f'--path={good}')[0] == 0
  assert _run(capsys, f'--network={I3D}', f'--path={bad}')[0] == 1
  _assert_kept(I3D, ARRAYS)


@pytest.mark.parametrize('arguments,message', [
    (['--path=x'], '--path has one network: choose it with --network'),
    (['--path=x', f'--network={I3D}', f'--network={C3D}'], '--path has one network: choose it'),
    (['--path=nowhere', f'--network={I3D}'], 'nowhere is not a TF-Hub module, checkpoint, or')])
def test_mistakes_are_one_line(cache, capsys, arguments, message):
  status, out, err = _run(capsys, *arguments)
  assert (status, out) == (1, '') and not cache.exists() and len(err) == 1
  assert err[0].startswith(f'get_networks: {message}')


def test_a_damaged_cache_does_not_keep_others_from_being_got(known, cache, capsys):
  del known
  cache.mkdir(parents=True)
  (cache / f'{I3D}.npz').write_bytes(b'half a file')
  status, out, err = _run(capsys)
  assert status == 1 and len(err) == 1
  assert err[0].startswith(f'get_networks: {cache}/{I3D}.npz cannot be read as arrays (')
  assert err[0].endswith(
      f'delete it and get it again with python -m launch.get_networks --network={I3D}')
  assert out.startswith(f'{C3D}@')


def test_every_known_network_has_a_listing_and_addresses():
  """Of files that are told apart by their names, which are those that `pretrained.read` knows."""
  for name, known in pretrained.KNOWN.items():
    assert known.name == name and pretrained.listing(name) and known.sources
    for source in known.sources:
      names = [get_networks.file_name(url) for url in source]
      assert len(set(names)) == len(names) and all(url.startswith('https://') for url in source)
      assert all(file.endswith(('.npz', '.tar.gz', '.index', '00000-of-00001')) for file in names)


def test_an_fvd_is_compared_with_the_published_one(known, capsys, monkeypatch):
  assert 'with 30 frames (published: 151.39)' in _run(capsys, f'--network={I3D}')[1]
  monkeypatch.setattr(get_networks, 'black_against_white', {30: 155.0}.get)
  status, out, err = _run(capsys, f'--network={I3D}')
  assert status == 1 and '155.00 with 30 frames' in out
  assert 'differ from the published ones' in err[-1]


def test_black_against_white(monkeypatch):
  monkeypatch.setattr(get_networks.networks, 'FeatureNetwork', lambda name: lambda video: {
      'logits': tf.cast(video, tf.float32)[:, -1, 0, 0] * [1.0, 2.0, 0.0] / 255})
  assert get_networks.black_against_white(9) == pytest.approx(5)
