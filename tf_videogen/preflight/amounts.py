"""Amounts as people write them."""

_GIB = 1 << 30


def rounded(number):
  """An amount, with three digits where it is small: 0.0123, 1.2, 12.3, 1,234."""
  return f'{number:,.0f}' if number >= 100 else f'{number:.3g}'


def gib(count):
  """Bytes in GiB, two places."""
  return f'{count / _GIB:.2f}'


def si(value):
  """A large number with the prefix of its unit: 1.5e12 -> '1.50 T'."""
  for factor, prefix in ((1e12, 'T'), (1e9, 'G'), (1e6, 'M'), (1e3, 'k')):
    if value >= factor:
      return f'{value / factor:.2f} {prefix}'
  return f'{value:.0f} '


def seconds(value):
  """Seconds, or milliseconds below one."""
  return f'{value:.2f} s' if value >= 1 else f'{1000 * value:.1f} ms'
