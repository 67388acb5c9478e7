"""What a kept config was made of: comments that come back, bindings that replace bindings."""

import pytest

from tf_videogen.model_directory import origin


@pytest.mark.parametrize('made_of,lines', [
    (origin.Origin(), ''),
    (origin.Origin(('a/b.gin',)), '# config: a/b.gin\n'),
    (origin.Origin(('a/b.gin', 'c.gin'), ("D='x; y'", 'm.C.n=[1, 2]')),
     "# config: a/b.gin, c.gin\n# with: D='x; y'; m.C.n=[1, 2]\n"),
    (origin.Origin((), ('STEPS=3',)), '# with: STEPS=3\n')])
def test_comments_come_back(made_of, lines):
  assert origin.comment(made_of) == lines
  assert origin.read(lines + 'from __gin__ import dynamic_registration\n') == made_of


def test_other_comments_tell_nothing():
  assert origin.read('# A paper\n#\n# config: a.gin\n') == origin.Origin()
  assert origin.read('') == origin.Origin()


def test_later_bindings_replace_earlier_ones():
  joined = origin.join([origin.Origin(('a.gin',), ('STEPS=3', 'A=1')),
                        origin.Origin(('a.gin', 'b.gin'), ('STEPS = \n 5',))])
  assert joined == origin.Origin(('a.gin', 'b.gin'), ('STEPS=5', 'A=1'))


def test_places_are_no_variation():
  made_of = origin.Origin(('a.gin', 'b.gin'), (
      "VQVAE_DIR='x'", "TRAIN_FILE='x'", "clips.FileClips.test_path='x'", 'STEPS=3'))
  assert made_of.varied() == ('b.gin', 'STEPS=3')
  assert origin.Origin().varied() == ()
