"""Signatures: what an LM program takes and gives. The names are DSPy's."""

from dspex.signatures.field import InputField, OldField, OldInputField, OldOutputField, OutputField
from dspex.signatures.meta import SignatureMeta
from dspex.signatures.naming import infer_prefix
from dspex.signatures.signature import Signature, ensure_signature, make_signature

__all__ = [
    "InputField",
    "OldField",
    "OldInputField",
    "OldOutputField",
    "OutputField",
    "Signature",
    "SignatureMeta",
    "ensure_signature",
    "infer_prefix",
    "make_signature",
]
