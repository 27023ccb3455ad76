"""What is kept: the journal of answers, the records of a run, and its table read back by columns."""
