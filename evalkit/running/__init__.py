"""Asking: what is asked of which model, in which order, and what becomes of each answer."""
