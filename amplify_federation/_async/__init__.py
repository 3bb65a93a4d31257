"""Concurrency: single flight, tasks, worker threads, broadcast, the loop guard, a shared cache."""
