"""Opens a page in Chromium, at any width and in both color schemes: for pictures and for tests.

  python -m docs.browser report.html docs/evaluation/report    # report-1280-light.png and others

Chromium is driven by its DevTools protocol over two pipes, which needs no further package. Its
windows are at least 500 pixels wide; the protocol makes screens as narrow as a phone's.
"""

import base64
import json
import os
import pathlib
import select
import shutil
import subprocess
import sys
import tempfile
import time

NAMES = ('chromium', 'chromium-browser', 'google-chrome')
SCREENS = ((1280, 800), (768, 1024), (390, 844))  # Width and height in CSS pixels.
SCHEMES = ('light', 'dark')


class Browser:
  """A Chromium without a window or a network, to be used in a `with` statement.

  Attributes:
    errors: What scripts and the content security policy complained of, a list of str.
  """

  def __init__(self):
    self.errors, self._id, self._seen = [], 0, b''
    self._profile = tempfile.TemporaryDirectory(ignore_cleanup_errors=True)
    name = next(filter(None, map(shutil.which, NAMES)), NAMES[0])
    to_browser, self._write = os.pipe()
    self._read, from_browser = os.pipe()
    command = [name, '--headless=new', '--no-sandbox', '--disable-gpu', '--disable-dev-shm-usage',
               '--disable-background-networking', '--no-first-run', '--hide-scrollbars',
               '--host-resolver-rules=MAP * ~NOTFOUND', f'--user-data-dir={self._profile.name}',
               '--remote-debugging-pipe']
    # Chromium reads from descriptor 3 and writes to 4.
    shell = f'exec "$@" 3<&{to_browser} 4>&{from_browser}'
    self._process = subprocess.Popen(
        ['bash', '-c', shell, 'chromium', *command], pass_fds=(to_browser, from_browser),
        stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    os.close(to_browser)
    os.close(from_browser)
    target = self._send('Target.createTarget', {'url': 'about:blank'})['targetId']
    self._session = None
    self._session = self._send(
        'Target.attachToTarget', {'targetId': target, 'flatten': True})['sessionId']
    for domain in ('Page', 'Runtime', 'Log'):
      self._send(f'{domain}.enable')

  def __enter__(self):
    return self

  def __exit__(self, *unused):
    self._process.terminate()
    self._process.wait()
    os.close(self._write)
    os.close(self._read)
    self._profile.cleanup()

  def open(self, path, width=1280, height=800, scheme='light', reduced_motion=False, fragment=''):
    """Opens a file, and waits until it is loaded.

    Args:
      path: A `pathlib.Path` of an HTML file.
      width: The width of the screen in CSS pixels.
      height: Its height.
      scheme: 'light' or 'dark'.
      reduced_motion: Whether the system asks for reduced motion.
      fragment: What follows in the address, beginning with '#'.

    Returns:
      The seconds until it was loaded and painted.
    """
    self._send('Emulation.setDeviceMetricsOverride', {
        'width': width, 'height': height, 'deviceScaleFactor': 1, 'mobile': False})
    self._send('Emulation.setEmulatedMedia', {'features': [
        {'name': 'prefers-color-scheme', 'value': scheme},
        {'name': 'prefers-reduced-motion',
         'value': 'reduce' if reduced_motion else 'no-preference'}]})
    self._send('Page.navigate', {'url': 'about:blank'})  # Else a new fragment would load nothing.
    start = time.monotonic()
    self._send('Page.navigate', {'url': path.resolve().as_uri() + fragment})
    self.run("""new Promise(done => {
      const painted = () => requestAnimationFrame(() => requestAnimationFrame(done));
      document.readyState === 'complete' ? painted() : addEventListener('load', painted);
    })""")
    return time.monotonic() - start

  def run(self, script):
    """The value of a JavaScript expression; of a promise, what it promises."""
    found = self._send('Runtime.evaluate', {
        'expression': script, 'awaitPromise': True, 'returnByValue': True})
    if 'exceptionDetails' in found:
      raise ValueError(found['exceptionDetails'].get('exception', {}).get('description'))
    return found['result'].get('value')

  def picture(self, path, whole=False):
    """Writes what is on the screen, or the whole page, as a PNG."""
    options = {'captureBeyondViewport': whole}
    if whole:
      size = self._send('Page.getLayoutMetrics')['cssContentSize']
      options['clip'] = {'x': 0, 'y': 0, 'width': size['width'], 'height': size['height'],
                         'scale': 1}
    data = self._send('Page.captureScreenshot', options)['data']
    pathlib.Path(path).write_bytes(base64.b64decode(data))

  def _send(self, method, parameters=None, seconds=120):
    """Sends a command, and returns its result."""
    self._id += 1
    message = {'id': self._id, 'method': method, 'params': parameters or {}}
    if getattr(self, '_session', None):
      message['sessionId'] = self._session
    os.write(self._write, json.dumps(message).encode() + b'\0')
    end = time.monotonic() + seconds
    while True:
      answer = self._answer(end)
      self._note(answer)
      if answer.get('id') == self._id:
        if 'error' in answer:
          raise ValueError(f'{method}: {answer["error"]}')
        return answer['result']

  def _answer(self, end):
    while b'\0' not in self._seen:
      if not select.select([self._read], [], [], max(0, end - time.monotonic()))[0]:
        raise TimeoutError('Chromium did not answer')
      more = os.read(self._read, 1 << 20)
      if not more:
        raise OSError('Chromium has ended')
      self._seen += more
    message, self._seen = self._seen.split(b'\0', 1)
    return json.loads(message)

  def _note(self, message):
    """Keeps what the page complained of."""
    parameters = message.get('params', {})
    if message.get('method') == 'Runtime.exceptionThrown':
      self.errors.append(str(parameters['exceptionDetails']))
    if message.get('method') == 'Log.entryAdded' and parameters['entry']['level'] == 'error':
      self.errors.append(parameters['entry']['text'])


def main(page, prefix):
  """Writes pictures of a page: all screens, in both schemes."""
  with Browser() as browser:
    for width, height in SCREENS:
      for scheme in SCHEMES:
        browser.open(pathlib.Path(page), width, height, scheme)
        browser.run('new Promise(done => setTimeout(done, 700))')  # so that videos have moved
        browser.picture(f'{prefix}-{width}-{scheme}.png')


if __name__ == '__main__':
  main(*sys.argv[1:])
