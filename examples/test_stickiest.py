"""Whatever hosts do, the rule loses nothing: ``pytest -p outpace.plugin examples/test_stickiest.py``."""


def test_it_keeps_the_law(law):
    law("examples/stickiest.py:stickiest")
