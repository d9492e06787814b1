"""The text of a script: statements by line, blocks by indentation.

  # comment                               the first one says what the script is about
  only over ws                            (skipped on other transports)
  accounts: romeo juliet                  made before the script starts
  romeo logs in as romeo@localhost/orchard
  romeo sends:
      <message to='juliet@localhost'/>    deeper lines belong to the line above
  for TYPE in chat normal:
      romeo sends: <message type='{TYPE}'/>
"""

import dataclasses


@dataclasses.dataclass
class Statement:
    number: int   # of the line
    words: str    # the line, without what is behind its colon
    text: str     # what is behind the colon or in the block below
    block: list   # Statements of a `for` block


class ScriptError(Exception):
    """The script itself is wrong."""


def _indent(line):
    return len(line) - len(line.lstrip(" "))


def _lines(text):
    return [(number, line.rstrip()) for number, line in enumerate(text.splitlines(), 1)
            if line.strip() and not line.lstrip().startswith("#")]


def _split(line):
    """Words and the text behind the first colon that ends them (": " or at the end of the line)."""
    if line.endswith(":") and ": " not in line:
        return line[:-1], ""
    words, colon, text = line.partition(": ")
    return (words, text.strip()) if colon else (line, "")


def _statements(lines):
    found = []
    at = 0
    while at < len(lines):
        number, line = lines[at]
        depth = _indent(line)
        end = at + 1
        while end < len(lines) and _indent(lines[end][1]) > depth:
            end += 1
        inner = lines[at + 1:end]
        words, text = _split(line.strip())
        if words.startswith("for "):
            found.append(Statement(number, words, "", _statements(inner)))
        else:
            below = "\n".join(inner_line.strip() for _, inner_line in inner)
            found.append(Statement(number, words, (text + "\n" + below).strip("\n"), []))
        at = end
    return found


def read(path):
    """(summary, statements) of the script at `path`."""
    with open(path, encoding="utf-8") as file:
        text = file.read()
    first = text.lstrip().splitlines()[0]
    summary = first.lstrip("# ") if first.startswith("#") else ""
    return summary, _statements(_lines(text))
