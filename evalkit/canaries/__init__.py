"""Canaries: attacks planted in the worse of two answers, to see which of them a judge falls for."""

from evalkit.canaries.attacks import ATTACKS, Attack, Target
from evalkit.canaries.trial import Canaries, Trial, trials_of, try_canaries

__all__ = ["ATTACKS", "Attack", "Canaries", "Target", "Trial", "trials_of", "try_canaries"]
