"""The exam: a judge reads what people have labelled, and is held to what they said."""

from evalkit.examining.exam import take_exam
from evalkit.examining.labels import LabelFile, Labelled, read_labels

__all__ = ["LabelFile", "Labelled", "read_labels", "take_exam"]
