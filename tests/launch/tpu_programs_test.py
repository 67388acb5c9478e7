"""Programs are exported in a process of its own, which ends with the one that asked for it."""

import os
import signal
import subprocess
import sys

import pytest

from tests import processes

PARENT = """
import concurrent.futures, multiprocessing, os, sys, time
from tf_videogen.launch import tpu_programs
if __name__ == '__main__':
  with concurrent.futures.ProcessPoolExecutor(
      1, multiprocessing.get_context('spawn'), tpu_programs._begin_apart) as process:
    print(process.submit(os.getpid).result(), flush=True)
    process.submit(time.sleep, 600)
    time.sleep(600)
"""


@pytest.mark.slow
def test_the_process_apart_ends_with_its_parent(tmp_path):
  script = tmp_path / 'parent.py'
  script.write_text(PARENT)
  with processes.started(sys.executable, script, output=subprocess.PIPE,
                         PYTHONPATH=str(processes.ROOT)) as parent:
    apart = int(parent.stdout.readline())
    os.kill(apart, 0)  # is there
    parent.send_signal(signal.SIGKILL)
    processes.until(lambda: not processes.runs(apart), 30)
