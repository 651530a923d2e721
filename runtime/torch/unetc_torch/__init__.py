"""Carries out plans of `unetc` with PyTorch, on one process or many. Needs torch and numpy only."""
