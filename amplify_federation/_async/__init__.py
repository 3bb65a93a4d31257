"""Concurrency: single flight, background tasks, worker threads, broadcast, the loop guard."""
