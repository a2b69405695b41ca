"""What the hosts are asked: prompts and the settings of their answers.

It says what is to be sent, and when it is due; never where, by which strategy.
"""
