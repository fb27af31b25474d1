"""Data files (JSONL, CSV, Parquet) as streams of rows; whatever is wrong in one is said with its file and line."""

from dspex.datafiles.file import DataFile, Row

__all__ = ["DataFile", "Row"]
