"""Other tools' annotations as a run of evalkit: the same statistics, decision and report, and no model asked."""

from evalkit.importers.alpaca_eval import import_alpaca_eval
from evalkit.importers.arena_hard import import_arena_hard
from evalkit.importers.imported import Imported
from evalkit.importers.mt_bench import import_mt_bench

__all__ = ["Imported", "import_alpaca_eval", "import_arena_hard", "import_mt_bench"]
