"""The pytest suite: options, fixtures, progress and the summary of what a session measured.

It turns a command line into a session and its tests; how anything is measured or judged is not decided here.
"""
