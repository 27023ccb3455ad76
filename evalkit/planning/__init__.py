"""Before a token is spent: can this run decide, and what would help if it cannot?

`plan` simulates the run under its whole policy: it draws scores for every item, and sends them through the very intervals
and gates that a real run goes through.
"""

from evalkit.planning.design import Design, PlannedJudge, PlannedSuite, design_of
from evalkit.planning.expected import expectations, expected_of_run
from evalkit.planning.looking import Stopped, looked_at
from evalkit.planning.plan import plan
from evalkit.planning.simulation import Simulated, simulate

__all__ = [
    "Design",
    "PlannedJudge",
    "PlannedSuite",
    "Simulated",
    "Stopped",
    "design_of",
    "expectations",
    "expected_of_run",
    "looked_at",
    "plan",
    "simulate",
]
