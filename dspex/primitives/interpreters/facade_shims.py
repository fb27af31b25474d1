"""The stand-in for ``dspy`` inside an interpreter, in two dialects of Python.

Its predictors are handles: making one calls the host function ``__dspy_construct__``, and calling it ``__dspy_call__``.
What JSON cannot hold travels as a marker: a tool by its name, a signature with instructions as a dict.
"""

CPYTHON = """
import sys as _dspy_sys
import types as _dspy_types

_dspy_kinds = ("Predict", "ChainOfThought", "RLM", "CodeAct", "ProgramOfThought", "ReAct", "ReActV2")
_dspy_unnamed = 0


def _dspy_make(_kind, _signature, _name, _options):
    return globals()["__dspy_construct__"](kind=_kind, signature=_signature, attr_name=_name, kwargs=_options)


def _dspy_marked(_value):
    if callable(_value):
        _names = [_n for _n, _v in globals().items() if _v is _value and not _n.startswith("_")]
        return {"__dspy_tool__": _names[0] if _names else getattr(_value, "__name__", type(_value).__name__)}
    if isinstance(_value, dict):
        return {_key: _dspy_marked(_item) for _key, _item in _value.items()}
    if isinstance(_value, (list, tuple)):
        return [_dspy_marked(_item) for _item in _value]
    return _value


class _DspyPrediction:
    def __init__(self, **_fields):
        self.__dict__.update(_fields)

    def __getitem__(self, _name):
        return self.__dict__[_name]

    def __repr__(self):
        return "Prediction(" + repr(self.__dict__) + ")"


class _DspyPredictor:
    def __init__(self, _kind, _signature, _options):
        self._made = None
        self._spec = _kind, _signature, _options

    def _make(self, _name):
        _kind, _signature, _options = self._spec
        self._made = _dspy_make(_kind, _signature, _name, _options)

    def __call__(self, **_inputs):
        global _dspy_unnamed
        if self._made is None:
            _dspy_unnamed += 1
            self._make("_dspy_anon_" + str(_dspy_unnamed))
        return _DspyPrediction(**(globals()["__dspy_call__"](handle=self._made, inputs=_inputs) or {}))


class _DspyModule:
    def __init__(self, *_args, **_options):
        pass

    def __setattr__(self, _name, _value):
        if isinstance(_value, _DspyPredictor) and _value._made is None:
            _value._make(_name)
        object.__setattr__(self, _name, _value)

    def __call__(self, **_inputs):
        return self.forward(**_inputs)


def _dspy_kind(_kind):
    def _construct(signature=None, **_options):
        return _DspyPredictor(_kind, signature, _dspy_marked(_options))

    return _construct


def _dspy_signature(signature, instructions=None, **_ignored):
    return {"__dspy_sig__": True, "signature": signature, "instructions": instructions}


def _dspy_tool(func, **_ignored):
    return func


dspy = _dspy = _dspy_types.ModuleType("dspy")
_dspy.Module, _dspy.Prediction, _dspy.Signature, _dspy.Tool = _DspyModule, _DspyPrediction, _dspy_signature, _dspy_tool
for _dspy_name in _dspy_kinds:
    setattr(_dspy, _dspy_name, _dspy_kind(_dspy_name))


def _dspy_importing(_import):
    def _dspy_import(name, globals=None, locals=None, fromlist=(), level=0):
        if level or name.partition(".")[0] != "dspy":
            return _import(name, globals, locals, fromlist, level)
        if name != "dspy":
            raise ModuleNotFoundError("No module named " + repr(name) + "; 'dspy' is not a package", name=name)
        return _dspy

    return _dspy_import


if "__dspy_construct__" in globals():
    _dspy_host = getattr(_dspy_sys, "modules", {}).get("dspex.primitives.facade")
    if getattr(_dspy_host, "_HOST_PROCESS_TOKEN", None) == __dspy_host_token:
        # Here is the host's own memory: `import dspy` means this module in this namespace, and nowhere else.
        _dspy_builtins = globals()["__builtins__"]
        _dspy_builtins = dict(_dspy_builtins if isinstance(_dspy_builtins, dict) else vars(_dspy_builtins))
        _dspy_builtins["__import__"] = _dspy_importing(_dspy_builtins["__import__"])
        globals()["__builtins__"] = _dspy_builtins
    else:
        _dspy_sys.modules["dspy"] = _dspy
"""

SANDBOX = """
_dspy_unnamed = [0]


def _dspy_marked(value):
    if isinstance(value, dict):
        return {key: _dspy_marked(value[key]) for key in value}
    if isinstance(value, (list, tuple)):
        return [_dspy_marked(item) for item in value]
    words = repr(value).split("'")
    if words[0] == "<function ":
        return {"__dspy_tool__": words[1]}
    return value


class _DspyPrediction:
    def __init__(self, **fields):
        self._fields = fields
        for name in fields:
            setattr(self, name, fields[name])

    def __getitem__(self, name):
        return self._fields[name]

    def __repr__(self):
        return "Prediction(" + repr(self._fields) + ")"


class _DspyPredictor:
    def __init__(self, kind, signature, options):
        self.kind = kind
        self.signature = signature
        self.options = options
        self.made = None

    def __call__(self, **inputs):
        if self.made is None:
            _dspy_unnamed[0] += 1
            name = "_dspy_anon_" + str(_dspy_unnamed[0])
            self.made = __dspy_construct__(
                kind=self.kind, signature=self.signature, attr_name=name, kwargs=self.options
            )
        return _DspyPrediction(**__dspy_call__(handle=self.made, inputs=inputs))


def _dspy_kind(kind):
    def construct(signature=None, **options):
        return _DspyPredictor(kind, signature, _dspy_marked(options))

    return construct


def _dspy_signature(signature, instructions=None, **ignored):
    return {"__dspy_sig__": True, "signature": signature, "instructions": instructions}


def _dspy_tool(func, **ignored):
    return func


class _DspyNames:
    def __repr__(self):
        return "<module 'dspy'>"


dspy = _DspyNames()
dspy.Prediction = _DspyPrediction
dspy.Signature = _dspy_signature
dspy.Tool = _dspy_tool
for _dspy_name in ("Predict", "ChainOfThought", "RLM", "CodeAct", "ProgramOfThought", "ReAct", "ReActV2"):
    setattr(dspy, _dspy_name, _dspy_kind(_dspy_name))
dspy
"""
