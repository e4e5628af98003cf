"""A real Suricata in a tree of its own, whose packet log is asked while it writes."""
