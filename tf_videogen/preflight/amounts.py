"""Numbers, bytes and times as text for people."""

_GIB = 1 << 30


def rounded(number):
  """A number with three significant digits if it is below 100: 0.0123, 1.2, 12.3, 1,234."""
  return f'{number:,.0f}' if number >= 100 else f'{number:.3g}'


def gib(count):
  """A number of bytes in GiB, with two decimal places."""
  return f'{count / _GIB:.2f}'


def si(value):
  """A number with the SI prefix of the unit that follows it: 1.5e12 -> '1.50 T'."""
  for factor, prefix in ((1e12, 'T'), (1e9, 'G'), (1e6, 'M'), (1e3, 'k')):
    if value >= factor:
      return f'{value / factor:.2f} {prefix}'
  return f'{value:.0f} '


def seconds(value):
  """A time in seconds, or in milliseconds if it is below one second."""
  return f'{value:.2f} s' if value >= 1 else f'{1000 * value:.1f} ms'
