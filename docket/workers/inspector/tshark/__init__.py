"""Looks into packets: the only package that knows tshark, pyshark and tcpdump. For the inspector.

Everything that reads bytes from the wire runs in a process of its own, sandboxed (`sandbox`, `process`). What comes out
is text from strangers: it is parsed here with bounds, and shown by others as text only.
"""
