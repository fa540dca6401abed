"""Reading of untrusted files in a separate process with limits on memory, time and disk.

`client` asks for the content of a file, `reader` is the process, and `answers` is the format between them.
"""
