"""One base against several candidates: base is asked once, every candidate gets a full run of its own."""

from evalkit.sweeping.result import Finished, sweep_of
from evalkit.sweeping.running import run_sweep
from evalkit.sweeping.steps import step_of

__all__ = ["Finished", "run_sweep", "step_of", "sweep_of"]
