"""The room that looks into packets: the only one that knows tshark, pyshark and tcpdump. For the inspector.

Everything that reads bytes from the wire runs in a process of its own, caged (`cage`, `child`). What comes out of it
is text from strangers: it is parsed here with bounds, and shown by others as text only.
"""
