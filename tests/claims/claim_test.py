"""Claims and arms: what a gin file must not say."""

import pytest

from tf_videogen.claims import claim


def _claim(arms, better='lower'):
  return claim.Claim('It is so.', 'A paper', '1', None, better, arms)


def test_the_arm_below_is_trained_first():
  below = claim.Arm('below', 'a.gin')
  arm = claim.Arm('above', 'b.gin', below=below)
  assert arm.stages == [below, arm]
  assert _claim([arm, below]).arm('above') is arm


@pytest.mark.parametrize('make, message', [
    (lambda: _claim([claim.Arm('a', 'a.gin')]), r"two or more arms .* got \['a'\]"),
    (lambda: _claim([claim.Arm('a', 'a.gin')] * 2), r"different names, got \['a', 'a'\]"),
    (lambda: _claim([claim.Arm(name, 'a.gin') for name in 'ab'], 'less'), "'higher', got 'less'"),
    (lambda: claim.Arm('a/b', 'a.gin'), "Arm.name = 'a/b': use letters")])
def test_errors(make, message):
  with pytest.raises(ValueError, match=message):
    make()
