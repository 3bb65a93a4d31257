"""Renewal: when, by whom, with which token."""
