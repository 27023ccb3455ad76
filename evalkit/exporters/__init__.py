"""A stored run in other tools' forms. It changes nothing in the run, and decides nothing anew."""

from evalkit.exporters.inspect_logs import export_inspect
from evalkit.exporters.model_card import export_model_card
from evalkit.exporters.samples import export_csv, export_parquet

__all__ = ["export_csv", "export_inspect", "export_model_card", "export_parquet"]
