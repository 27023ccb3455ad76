"""The parts of `bench/against_lm_eval.py`: what is asked, and the three sides that are asked it."""
