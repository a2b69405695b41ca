"""The command line: one file a command, and the parser that finds them.

Here words become calls and results become lines; nothing is measured, judged or drawn here.
"""
