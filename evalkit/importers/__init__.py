"""Other tools' results as a run of evalkit: the same statistics, decision and report, and no model asked."""

from evalkit.importers.alpaca_eval import import_alpaca_eval
from evalkit.importers.arena_hard import import_arena_hard
from evalkit.importers.imported import Imported
from evalkit.importers.inspect_logs import import_inspect
from evalkit.importers.lm_eval import import_lm_eval
from evalkit.importers.mt_bench import import_mt_bench
from evalkit.importers.scored import ImportedScores

__all__ = [
    "Imported",
    "ImportedScores",
    "import_alpaca_eval",
    "import_arena_hard",
    "import_inspect",
    "import_lm_eval",
    "import_mt_bench",
]
