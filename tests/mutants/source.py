# SPDX-License-Identifier: BSD-3-Clause
"""source.py - as much of C as it takes to find calls, and the statements and functions that they stand in

A Source is the text of a file and the same text with comments, strings and preprocessor lines blanked, character by
character, so that positions in the one are positions in the other.
"""
import re

IDENTIFIER = re.compile(r"[A-Za-z_]\w*")
LABEL = re.compile(r"(?:case\b[^:;{}]*|default\s*|[A-Za-z_]\w*\s*):(?!:)")
NOISE = re.compile(r'//[^\n]*|/\*.*?\*/|"(?:\\.|[^"\\\n])*"|\'(?:\\.|[^\'\\\n])*\'|^[ \t]*#(?:\\\n|/\*.*?\*/|[^\n])*',
                   re.S | re.M)
CLOSING = {"(": ")", "{": "}", "[": "]"}


def blanked(text):
    """The text with everything that is no code turned into blanks."""
    return NOISE.sub(lambda match: re.sub(r"[^\n]", " ", match.group()), text)


def skip_blanks(code, at):
    while at < len(code) and code[at].isspace():
        at += 1
    return at


def matching(code, at):
    """The position behind the bracket that closes the one at `at`."""
    stack = []
    while True:
        char = code[at]
        if char in CLOSING:
            stack.append(CLOSING[char])
        elif stack and char == stack[-1]:
            stack.pop()
            if not stack:
                return at + 1
        at += 1


class Statement:
    """A statement from `start` to `end`; kind is block, if, loop, switch or simple."""

    def __init__(self, kind, start):
        self.kind, self.start, self.end, self.children = kind, start, start, []

    def path(self, at):
        """The statements around a position, outermost first."""
        for child in self.children:
            if child.start <= at < child.end:
                return [self] + child.path(at)
        return [self]


def parse_block(code, at):
    block = Statement("block", at)
    end = matching(code, at)
    at = skip_blanks(code, at + 1)
    while at < end - 1:
        child = parse_statement(code, at)
        block.children.append(child)
        at = skip_blanks(code, child.end)
    block.end = end
    return block


def parse_statement(code, at):
    label = LABEL.match(code, at)
    while label:
        at = skip_blanks(code, label.end())
        label = LABEL.match(code, at)
    if code[at] == "{":
        return parse_block(code, at)
    word = IDENTIFIER.match(code, at)
    keyword = word.group() if word else ""
    if keyword in ("if", "for", "while", "switch"):
        statement = Statement({"if": "if", "switch": "switch"}.get(keyword, "loop"), at)
        body = parse_statement(code, skip_blanks(code, matching(code, skip_blanks(code, word.end()))))
        statement.children.append(body)
        statement.end = body.end
        following = skip_blanks(code, body.end)
        if keyword == "if" and re.match(r"else\b", code[following:following + 5]):
            other = parse_statement(code, skip_blanks(code, following + 4))
            statement.children.append(other)
            statement.end = other.end
        return statement
    if keyword == "do":
        statement = Statement("loop", at)
        statement.children.append(parse_statement(code, skip_blanks(code, word.end())))
        statement.end = code.index(";", statement.children[0].end) + 1
        return statement
    statement = Statement("simple", at)
    while code[at] != ";":
        at = matching(code, at) if code[at] in CLOSING else at + 1
    statement.end = at + 1
    return statement


class Function:
    def __init__(self, name, head, body, file):
        self.name, self.body, self.file = name, body, file
        self.is_static = bool(re.search(r"\bstatic\b", head))
        self.is_void = bool(re.search(r"\bvoid\s*$", head))


class Call:
    def __init__(self, code, name, start, open_bracket):
        self.name, self.start, self.end = name, start, matching(code, open_bracket)
        self.arguments = split_arguments(code, open_bracket, self.end)

    def argument(self, source, i):
        start, end = self.arguments[i]
        return source.text[start:end]


def split_arguments(code, open_bracket, end):
    """The (start, end) of each argument."""
    parts, start, at = [], open_bracket + 1, open_bracket + 1
    while at < end - 1:
        if code[at] in CLOSING:
            at = matching(code, at)
            continue
        if code[at] == ",":
            parts.append((start, at))
            start = at + 1
        at += 1
    parts.append((start, end - 1))
    trimmed = []
    for start, stop in parts:
        start = skip_blanks(code, start)
        while stop > start and code[stop - 1].isspace():
            stop -= 1
        trimmed.append((start, stop))
    return trimmed


class Source:
    def __init__(self, path, text):
        self.path, self.text, self.code = path, text, blanked(text)
        self.functions = list(self.find_functions())

    def find_functions(self):
        at = previous = 0
        while at < len(self.code):
            char = self.code[at]
            if char == "{":
                end = matching(self.code, at)
                head = re.match(r"(.*?)\b([A-Za-z_]\w*)\s*(\(.*\))\s*$", self.code[previous:at], re.S)
                if head and head.group(2) not in ("__attribute__", "_Static_assert"):
                    yield Function(head.group(2), head.group(1), parse_block(self.code, at), self.path)
                at = previous = end
            else:
                at += 1
                if char == ";":
                    previous = at

    def calls(self, function, names):
        """The calls of any of these names in a function, in their order."""
        found = []
        for match in re.finditer(r"\b([A-Za-z_]\w*)\s*\(", self.code[function.body.start:function.body.end]):
            if match.group(1) in names:
                start = function.body.start + match.start()
                found.append(Call(self.code, match.group(1), start, function.body.start + match.end() - 1))
        return found

    def line(self, at):
        return self.text.count("\n", 0, at) + 1

    def replaced(self, *edits):
        """The text with (start, end, replacement) done; edits do not overlap."""
        text = self.text
        for start, end, replacement in sorted(edits, reverse=True):
            text = text[:start] + replacement + text[end:]
        return text
