"""What the hosts are asked: prompts and the settings of their answers.

It says what is to be sent, never where or when by which strategy.
"""
