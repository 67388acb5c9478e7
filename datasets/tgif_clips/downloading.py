"""Fetches GIFs from TGIF's addresses: resumable, parallel and polite. Dead links are recorded."""

from concurrent import futures
import csv
import io
import os
import random
import threading
import time
import urllib.parse

import requests
import tqdm
import urllib3

from tf_videogen import bars
from tf_videogen import files
from tf_videogen.datasets.tgif_clips import lists

DEAD_LINKS = 'dead_links.csv'
_HEADERS = {'User-Agent': 'tf-videogen TGIF downloader'}
_ATTEMPTS = 4
_TIMEOUT = (5, 60)  # seconds to connect, and between two pieces of an answer
_MAX_BYTES = 200 << 20
_FAILURES_IN_A_ROW = 100
_COLUMNS = ['url', 'reason']
_GONE = (404, 410)
_TUMBLR = 'tumblr.com'  # its servers answer 403 if a GIF is gone
_LOADED = (429, 500, 502, 503, 504)  # from overloaded servers, which may be asked again


class _Dead(Exception):
  """An address has no GIF, and won't have one."""


class _Refused(Exception):
  """An answer that may be different tomorrow."""


class _Pace:
  """Lets `per_second` threads pass per second, evenly spaced, and none while a server rests."""

  def __init__(self, per_second):
    self._interval, self._next, self._lock = 1 / per_second, 0.0, threading.Lock()

  def wait(self):
    """Returns when it is this thread's turn."""
    with self._lock:
      turn = self._next = max(self._next + self._interval, time.monotonic())
    time.sleep(max(0.0, turn - time.monotonic()))

  def rest(self, seconds):
    """Lets no thread pass for a number of seconds."""
    with self._lock:
      self._next = max(self._next, time.monotonic() + seconds)


def download(folder, splits, connections=8, requests_per_second=20.0, retry_dead=False,
             base_url=lists.BASE_URL):
  """Fetches the lists of splits, if they are missing, and the GIFs in them.

  Args:
    folder: str, path of the local folder for lists and GIFs.
    splits: list of str, names of splits, keys of `lists.FILES`.
    connections: int, number of GIFs that are fetched at the same time.
    requests_per_second: float, the most requests per second.
    retry_dead: bool, whether to ask again for the addresses of these splits that were recorded as
      dead.
    base_url: str, address of the folder of the lists.

  Returns:
    Four ints: GIFs fetched, GIFs that were already there, dead addresses, and addresses that could
    not be reached, or refused, this time.

  Raises:
    ValueError: if there is no such split, a list cannot be fetched, or 100 addresses in a row fail.
  """
  unknown = set(splits) - set(lists.FILES)
  if unknown:
    raise ValueError(f'TGIF has no split {", ".join(sorted(unknown))}; there are: '
                     f'{", ".join(lists.FILES)}')
  folder = os.path.expanduser(folder)
  os.makedirs(folder, exist_ok=True)
  pace = _Pace(requests_per_second)
  urls = {}
  for split in splits:
    path = _fetch_list(folder, lists.FILES[split], base_url, pace)
    urls.update({lists.file_name(url): url for url in lists.urls(path)})
  dead = _recorded(folder)
  if retry_dead:
    asked = set(urls.values())
    dead = {url: reason for url, reason in dead.items() if url not in asked}
    _record(folder, dead)
  there = {name for name in urls if os.path.exists(os.path.join(folder, name))}
  wanted = {name: url for name, url in urls.items() if name not in there and url not in dead}
  counts = _fetch_all(folder, wanted, connections, pace)
  known = sum(url in dead for url in urls.values())
  return counts['fetched'], len(there), counts['dead'] + known, counts['failed']


def _fetch_list(folder, name, base_url, pace):
  path = os.path.join(folder, name)
  if not os.path.exists(path):
    try:
      _fetch(f'{base_url}/{name}', path, pace, lambda start: True, attempts=2)
    except (requests.exceptions.RequestException, _Dead, _Refused) as error:
      raise ValueError(f'the list {base_url}/{name} cannot be fetched ({error}); put it into '
                       f'{folder} yourself') from error
  return path


def _fetch_all(folder, wanted, connections, pace):
  """Fetches {name: url}; returns a dict of the numbers of 'fetched', 'dead' and 'failed' ones."""
  counts = {'fetched': 0, 'dead': 0, 'failed': 0}
  in_a_row = 0  # failures

  def fetch(name):
    _fetch(wanted[name], os.path.join(folder, name), pace,
           lambda start: start[:6] in (b'GIF87a', b'GIF89a'))

  threads = futures.ThreadPoolExecutor(connections)
  try:
    with open(os.path.join(folder, DEAD_LINKS), 'a', newline='') as file, (
        tqdm.tqdm(total=len(wanted), unit='GIF', mininterval=bars.interval())) as bar:
      dead = csv.writer(file)
      if not file.tell():
        dead.writerow(_COLUMNS)
      waiting = {threads.submit(fetch, name): name for name in wanted}
      for future in futures.as_completed(waiting):
        url, kind = wanted[waiting[future]], 'fetched'
        try:
          future.result()
        except _Dead as error:
          dead.writerow(map(files.for_spreadsheets, [url, str(error)]))
          file.flush()
          kind = 'dead'
        except (_Refused, requests.exceptions.RequestException):
          kind = 'failed'
        counts[kind] += 1
        in_a_row = in_a_row + 1 if kind == 'failed' else 0
        if in_a_row == _FAILURES_IN_A_ROW:
          raise ValueError(f'{in_a_row} addresses in a row could not be reached or refused the '
                           'request; check the network, and try again later')
        bar.update()
        bar.set_postfix(counts, refresh=False)
  finally:  # also after Ctrl-C: fetches that have not begun are cancelled
    threads.shutdown(cancel_futures=True)
  return counts


def _fetch(url, path, pace, accepts, attempts=_ATTEMPTS):
  """Fetches a file, which exists only once it is whole. Overloaded servers are asked again, later.

  Raises:
    _Dead: if there is no such file, or if `accepts` is false for its first bytes.
    _Refused: if the answer may be different tomorrow.
    requests.exceptions.RequestException: if nobody answers.
  """
  for attempt in range(attempts):
    pace.wait()
    try:
      with requests.get(url, headers=_HEADERS, timeout=_TIMEOUT, stream=True) as answer:
        if answer.status_code in _LOADED:
          pace.rest(_seconds(answer.headers.get('Retry-After')))
          raise requests.exceptions.ConnectionError(f'status {answer.status_code}')
        if answer.status_code in _GONE or answer.status_code == 403 and (
            f'.{urllib.parse.urlsplit(answer.url).hostname}'.endswith(f'.{_TUMBLR}')):
          raise _Dead(f'status {answer.status_code}')
        if not answer.ok:
          raise _Refused(f'status {answer.status_code}')
        _write(answer, path, accepts)
      return
    except requests.exceptions.RequestException as error:
      if isinstance(error, ValueError):  # requests raises these for invalid addresses
        raise _Dead('no address') from error
      if attempt == attempts - 1:
        raise
      time.sleep(2**attempt * random.uniform(0.5, 1))
    except urllib3.exceptions.LocationParseError as error:
      raise _Dead('no address') from error


def _seconds(retry_after):
  """Returns the seconds that a server asks to wait, at most 60; 1 if it names none."""
  return min(float(retry_after), 60.0) if (retry_after or '').isdigit() else 1.0


def _write(answer, path, accepts):
  """Writes an answer's content to a file, which exists only once it is whole."""
  part, size = f'{path}.part', 0
  try:
    with open(part, 'wb') as file:
      for piece in answer.iter_content(1 << 16):
        if not size and not accepts(piece):
          kind = answer.headers.get('Content-Type', 'something else')
          # A page may come from a proxy. A picture is what remains of a GIF.
          raise (_Refused if 'html' in kind else _Dead)(f'no GIF but {kind}')
        size += len(piece)
        if size > _MAX_BYTES:
          raise _Dead('too large')
        file.write(piece)
    promised = answer.headers.get('Content-Length')
    if promised and not answer.headers.get('Content-Encoding') and size < int(promised):
      raise requests.exceptions.ConnectionError(f'{size} of {promised} bytes')
    if not size:
      raise _Dead('empty')
    os.replace(part, path)
  finally:
    if os.path.exists(part):
      os.remove(part)


def _record(folder, dead):
  """Replaces dead_links.csv; `dead` is {url: reason}."""
  text = io.StringIO()
  csv.writer(text).writerows([_COLUMNS, *(
      map(files.for_spreadsheets, row) for row in dead.items())])
  files.write(os.path.join(folder, DEAD_LINKS), text.getvalue())


def _recorded(folder):
  """Returns {url: reason} from dead_links.csv; empty if there is no such file."""
  path = os.path.join(folder, DEAD_LINKS)
  if not os.path.exists(path):
    return {}
  with open(path, newline='') as file:
    return {files.from_spreadsheets(row['url']): files.from_spreadsheets(row['reason'])
            for row in csv.DictReader(file)}
