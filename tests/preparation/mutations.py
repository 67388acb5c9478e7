"""Broken files: bytes flipped, cut, swapped, gone, text, huge numbers in the header."""

import random


def of(contents, count, seed=0):
  """Yields `count` broken versions of files (bytes), always the same ones."""
  rng = random.Random(seed)

  def flipped(content):
    for _ in range(rng.choice([1, 10, 1000])):
      content[rng.randrange(len(content))] = rng.randrange(256)

  def flipped_in_header(content):
    for _ in range(rng.choice([1, 4, 16])):
      content[rng.randrange(min(600, len(content)))] = rng.randrange(256)

  def huge(content):
    at = rng.randrange(min(400, len(content) - 4))
    content[at:at + 4] = rng.choice(
        [b'\xff\xff\xff\x7f', b'\x7f\xff\xff\xff', b'\0\0\0\0', b'\xff' * 4])

  def cut(content):
    del content[rng.randrange(len(content)):]

  def cut_in_front(content):
    del content[:rng.randrange(len(content))]

  def swapped(content):
    middle, size = rng.randrange(len(content)), rng.randrange(1, 2000)
    content[:] = content[middle:middle + size] + content[:middle] + content[middle + size:]

  def repeated(content):
    middle = rng.randrange(len(content))
    content[middle:middle] = content[middle // 2:middle]

  def text(content):
    content[:] = b'<!DOCTYPE html><title>Video unavailable</title>' * rng.randrange(1, 99)

  def glued(content):
    content[rng.randrange(len(content)):] = rng.choice(contents)[-rng.randrange(1, 5000):]

  kinds = [flipped, flipped_in_header, flipped_in_header, huge, huge, cut, cut_in_front, swapped,
           repeated, text, glued, lambda content: content.clear()]
  for i in range(count):
    content = bytearray(contents[i % len(contents)])
    kinds[i // len(contents) % len(kinds)](content)
    yield bytes(content)
