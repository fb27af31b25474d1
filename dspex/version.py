"""The version of dspex."""

VERSION = "0.1.0"
