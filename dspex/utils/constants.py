"""Names that DSPy's code marks things with."""

IS_TYPE_UNDEFINED = "IS_TYPE_UNDEFINED"
"""Key in a field's ``json_schema_extra``: whether the signature gave the field no type."""
