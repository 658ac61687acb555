"""A small evaluator of json-formula, enough for the C2PA conformance rubrics.

json-formula (https://opensource.adobe.com/json-formula) is JMESPath with other quoting and with
arithmetic. Here: fields, indices, filters, flattening, projections, pipes, literals, comparison,
logic, arithmetic, variables (``$name``), registered expressions (``_name(...)``), and the dozen
functions that the rubrics call. Anything else raises, so that no statement passes unread.
"""

import json
import re

_TOKEN = re.compile(
    r"""\s*(?:
    (?P<literal>`(?:[^`\\]|\\.)*`)
  | (?P<string>"(?:[^"\\]|\\.)*")
  | (?P<quoted>'(?:[^'\\]|\\.)*')
  | (?P<number>-?\d+(?:\.\d+)?)
  | (?P<name>[$_A-Za-z][\w$]*)
  | (?P<op>\[\?|\[\]|\|\||&&|==|!=|<=|>=|[][(){}.,:|!<>*@+])
    )""",
    re.VERBOSE,
)
_POWER = {
    "|": 1, "||": 2, "&&": 3, "==": 5, "!=": 5, "<": 5, ">": 5, "<=": 5, ">=": 5,
    "+": 6, "*": 7, "[]": 9, "[?": 21, ".": 40, "[": 55, "(": 60,
}  # fmt: skip
_NOT_POWER = 45
_ENDS_PROJECTION = 10


class FormulaError(Exception):
    """The text is not a formula, or uses something that is not implemented."""


def tokenize(text):
    tokens, position, text = [], 0, text.rstrip()
    while position < len(text):
        match = _TOKEN.match(text, position)
        if match is None:
            raise FormulaError(f"unexpected {text[position : position + 10]!r}")
        tokens.append((match.lastgroup, match.group(match.lastgroup)))
        position = match.end()
    return [*tokens, ("end", "")]


class Parser:
    """Pratt parser; nodes are tuples with their kind first."""

    def __init__(self, text):
        self.tokens, self.at = tokenize(text), 0

    def parse(self):
        node = self.expression(0)
        if self.peek() != "":
            raise FormulaError(f"left over: {self.peek()!r}")
        return node

    def peek(self):
        return self.tokens[self.at][1]

    def next(self):
        self.at += 1
        return self.tokens[self.at - 1]

    def expect(self, text):
        if self.next()[1] != text:
            raise FormulaError(f"expected {text!r}")

    def power(self):
        kind, text = self.tokens[self.at]
        return _POWER.get(text, 0) if kind == "op" else 0

    def expression(self, power):
        left = self.prefix()
        while power < self.power():
            left = self.infix(left)
        return left

    def prefix(self):
        kind, text = self.next()
        if kind == "literal":
            return ("literal", json.loads(text[1:-1]))
        if kind == "string":
            return ("literal", json.loads(text))
        if kind == "number":
            return ("literal", float(text) if "." in text else int(text))
        if kind == "quoted":
            return ("field", text[1:-1])
        if kind == "name":
            return self.name(text)
        handler = {
            "@": lambda: ("current",),
            "!": lambda: ("not", self.expression(_NOT_POWER)),
            "(": self.group,
            "{": self.hash,
            "[": lambda: self.bracket(None),
            "[]": lambda: self.projection(("flatten", ("current",))),
            "[?": lambda: self.filter(("current",)),
        }.get(text)
        if handler is None:
            raise FormulaError(f"unexpected {text!r}")
        return handler()

    def name(self, text):
        if self.peek() == "(":
            self.next()
            return ("call", text, self.list(")"))
        if text.startswith("$"):
            return ("variable", text)
        return ("literal", None) if text == "null" else ("field", text)

    def infix(self, left):
        text = self.next()[1]
        if text == "[?":
            return self.filter(left)
        if text == "[]":
            return self.projection(("flatten", left))
        if text == "[":
            return self.bracket(left)
        if text == ".":
            return ("pipe", left, self.expression(_POWER["."]))
        if text == "|":
            return ("pipe", left, self.expression(_POWER["|"]))
        return ("binary", text, left, self.expression(_POWER[text]))

    def filter(self, left):
        condition = self.expression(0)
        self.expect("]")
        return self.projection(("filter", left, condition))

    def projection(self, left):
        """Everything that binds tighter is applied to each element."""
        if self.power() < _ENDS_PROJECTION:
            return left
        rest = ("current",)
        while self.power() >= _ENDS_PROJECTION:
            rest = self.infix(rest)
        return ("project", left, rest)

    def bracket(self, left):
        kind, text = self.tokens[self.at]
        if kind == "number" and self.tokens[self.at + 1][1] == "]":
            self.at += 2
            return ("index", left or ("current",), int(text))
        if left is not None:
            raise FormulaError("only an index may stand here")
        return ("list", self.list("]"))

    def group(self):
        node = self.expression(0)
        self.expect(")")
        return node

    def hash(self):
        pairs = {}
        while True:
            name = self.next()[1].strip("\"'")
            self.expect(":")
            pairs[name] = self.expression(0)
            if self.next()[1] == "}":
                return ("hash", pairs)

    def list(self, end):
        items = []
        if self.peek() == end:
            self.next()
            return items
        while True:
            items.append(self.expression(0))
            text = self.next()[1]
            if text == end:
                return items
            if text != ",":
                raise FormulaError(f"expected {end!r}")


class Evaluator:
    """Evaluates formulas over one document.

    Args:
        document: The root.
        variables: ``$name`` to value.
        expressions: ``_name`` to formula; called with ``$args``, evaluated at the root.
    """

    def __init__(self, document, variables=None, expressions=None):
        self.document = document
        self.variables = dict(variables or {})
        self.expressions = {k: Parser(v).parse() for k, v in (expressions or {}).items()}

    def __call__(self, formula):
        return self.visit(Parser(formula).parse(), self.document, self.variables)

    def visit(self, node, value, scope):
        return getattr(self, f"on_{node[0]}")(*node[1:], value=value, scope=scope)

    def on_literal(self, literal, *, value, scope):
        return literal

    def on_current(self, *, value, scope):
        return value

    def on_field(self, name, *, value, scope):
        return value.get(name) if isinstance(value, dict) else None

    def on_variable(self, name, *, value, scope):
        if name not in scope:
            raise FormulaError(f"no variable {name}")
        return scope[name]

    def on_not(self, node, *, value, scope):
        return not self.visit(node, value, scope)

    def on_pipe(self, left, right, *, value, scope):
        return self.visit(right, self.visit(left, value, scope), scope)

    def on_index(self, left, index, *, value, scope):
        items = self.visit(left, value, scope)
        inside = isinstance(items, list) and -len(items) <= index < len(items)
        return items[index] if inside else None

    def on_filter(self, left, condition, *, value, scope):
        items = self.visit(left, value, scope)
        if not isinstance(items, list):
            return None
        return [item for item in items if self.visit(condition, item, scope)]

    def on_flatten(self, left, *, value, scope):
        items = self.visit(left, value, scope)
        if not isinstance(items, list):
            return None
        return [one for item in items for one in (item if isinstance(item, list) else [item])]

    def on_project(self, left, right, *, value, scope):
        items = self.visit(left, value, scope)
        if not isinstance(items, list):
            return None
        return self.spread(right, items, scope)

    def spread(self, right, items, scope):
        """Apply ``right`` to each; a flattening in it takes all results together (JMESPath)."""
        kind = right[0]
        if kind == "flatten":
            inner = self.spread(right[1], items, scope)
            return [o for item in inner for o in (item if isinstance(item, list) else [item])]
        if kind == "project" and right[1][0] == "flatten":
            return self.spread(right[2], self.spread(right[1], items, scope), scope)
        found = (self.visit(right, item, scope) for item in items)
        return [item for item in found if item is not None]

    def on_list(self, nodes, *, value, scope):
        return [self.visit(node, value, scope) for node in nodes]

    def on_hash(self, pairs, *, value, scope):
        return {name: self.visit(node, value, scope) for name, node in pairs.items()}

    def on_binary(self, operator, left, right, *, value, scope):
        first = self.visit(left, value, scope)
        if operator == "&&":
            return self.visit(right, value, scope) if first else first
        if operator == "||":
            return first or self.visit(right, value, scope)
        return _compute(operator, first, self.visit(right, value, scope))

    def on_call(self, name, nodes, *, value, scope):
        if name == "if":
            condition, yes, no = nodes
            chosen = yes if self.visit(condition, value, scope) else no
            return self.visit(chosen, value, scope)
        arguments = [self.visit(node, value, scope) for node in nodes]
        if name in self.expressions:
            inner = {**self.variables, "$args": arguments}
            return self.visit(self.expressions[name], self.document, inner)
        if name not in _FUNCTIONS:
            raise FormulaError(f"no function {name}")
        return _FUNCTIONS[name](*arguments)


def _compute(operator, a, b):
    if operator in ("==", "!="):
        same = a == b and isinstance(a, bool) == isinstance(b, bool)
        return same == (operator == "==")
    if operator in ("+", "*"):
        a, b = float(a), float(b)
        return a + b if operator == "+" else a * b
    if a is None or b is None:
        return False
    return {"<": a < b, ">": a > b, "<=": a <= b, ">=": a >= b}[operator]


def _type(value):
    names = {str: "string", bool: "boolean", list: "array", dict: "object", type(None): "null"}
    return names.get(type(value), "number")


_FUNCTIONS = {
    "contains": lambda subject, search: subject is not None and search in subject,
    "endsWith": lambda subject, suffix: (subject or "").endswith(suffix),
    "keys": lambda value: list(value or {}),
    "length": lambda value: len(value or ()),
    "notNull": lambda *values: next((v for v in values if v is not None), None),
    "split": lambda text, separator: text.split(separator),
    "startsWith": lambda subject, prefix: (subject or "").startswith(prefix),
    "type": _type,
    "values": lambda value: list((value or {}).values()),
}
