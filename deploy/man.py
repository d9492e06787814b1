#!/usr/bin/env python3
"""Makes the daemons' man pages from the comment at the head of each main.c: man.py OUTPUT_DIR

The comment's first line is the name and what it is for; a line in capitals opens a section; what is
indented below it is its text, in paragraphs. `man -l OUTPUT_DIR/jackdaw-edge.8` shows one."""

import glob
import os
import re
import sys

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))


def lines_of(path):
    with open(path, encoding="utf-8") as source:
        text = source.read()
    if not text.startswith("/* ") or "*/" not in text:
        raise SystemExit("%s: does not begin with its man page in a comment" % path)
    body = text[3:text.index("*/")]
    return [re.sub(r"^ \* ?", "", line).rstrip() for line in body.splitlines()]


def escaped(text):
    text = text.replace("\\", "\\e").replace("-", "\\-")
    return "\\&" + text if text[:1] in (".", "'") else text


def page(path):
    first, *rest = lines_of(path)
    named = re.match(r"(jackdaw\S*) - (.+)", first)
    if not named:
        raise SystemExit("%s: its first line is not `NAME - what it is for`" % path)
    name, summary = named.groups()
    out = ['.TH %s 8 "" "Jackdaw"' % name.upper(), ".SH NAME",
           "%s \\- %s" % (escaped(name), escaped(summary))]
    for line in rest:
        if re.fullmatch(r"[A-Z][A-Z ]+", line):
            out.append(".SH " + line)
        elif not line:
            out.append(".PP")
        else:
            out.append(escaped(line.strip()))
    out += [".SH SEE ALSO", "jackdaw.conf.example, jackdawctl \\-\\-help"]
    return name, "\n".join(out) + "\n"


def main():
    if len(sys.argv) != 2 or sys.argv[1].startswith("-"):
        raise SystemExit(__doc__)
    os.makedirs(sys.argv[1], exist_ok=True)
    for path in sorted(glob.glob(os.path.join(ROOT, "services", "*", "main.c"))):
        name, text = page(path)
        with open(os.path.join(sys.argv[1], name + ".8"), "w", encoding="utf-8") as out:
            out.write(text)


if __name__ == "__main__":
    main()
