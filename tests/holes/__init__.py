"""Captures with holes, odd clocks and damage, made at random, and an oracle that knows what was recorded."""
