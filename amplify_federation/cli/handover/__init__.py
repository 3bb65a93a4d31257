"""Handing credentials over to other programs of this machine."""
