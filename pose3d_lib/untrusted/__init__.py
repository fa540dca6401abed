"""Files that somebody else made, read in a process of its own whose memory, time and disk are limited.

`client` asks for the content of a file; `reader` is the process; `answers` is what passes between them.
"""
