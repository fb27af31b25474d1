"""Data files (JSONL, CSV, Parquet) as streams of rows; errors name the file and line."""

from dspex.datafiles.file import DataFile, Row

__all__ = ["DataFile", "Row"]
