"""Concurrency: single flight, serial queue, background tasks, broadcast, the loop guard."""
