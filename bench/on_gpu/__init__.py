"""The parts of `bench/gpu.py`, one file each. Nothing here imports torch, vLLM or evalkit before it measures."""
