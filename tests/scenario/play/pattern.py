"""XML patterns: what a received element must look like.

A pattern is XML (in jabber:client unless it says otherwise) in which
  {any}    as a value or as all text: anything;   {any?} as an attribute's value: it may be absent
  {name}   a variable: its value when it has one, else what is there becomes its value
  {*}      in a tag: other attributes are allowed; between tags: other children and text are allowed
Attributes and children may come in any order; white space between tags does not matter, nor does what
a server may add everywhere: xml:lang (RFC 6120 section 4.7.4), and when presence is repeated to somebody
new, when it was sent (RFC 6121 section 4.3.2).
"""

import re
from xml.etree import ElementTree

CLIENT = "jabber:client"
STREAMS = "http://etherx.jabber.org/streams"
XML_LANG = "{http://www.w3.org/XML/1998/namespace}lang"
_SHOWN_DEPTH = 20
_MORE_ATTRIBUTES = "more-attributes"
_VARIABLE = re.compile(r"\{([A-Za-z][\w. /-]*\??)\}")
_STANZA_ID = "{urn:xmpp:sid:0}stanza-id"


class Mismatch(Exception):
    """Why an element is not as the pattern wants it."""


def parse_all(text):
    """The elements in `text`."""
    marked = re.sub(r"(<[^<>]*?)\s\{\*\}", r"\1 %s=''" % _MORE_ATTRIBUTES, text)
    return list(ElementTree.fromstring("<all xmlns='%s' xmlns:stream='%s'>%s</all>" % (
        CLIENT, STREAMS, marked)))


def substitute(text, variables):
    """`text` with the variables that have a value replaced by it."""
    return _VARIABLE.sub(lambda m: variables.get(m.group(1), m.group(0)), text)


def _match_text(pattern, actual, variables, where):
    pattern = substitute(pattern, variables)
    names = []

    def group(match):
        names.append(match.group(1))
        return "(.*)"

    # Literal text between variables that have no value yet.
    expression, at = "", 0
    for match in _VARIABLE.finditer(pattern):
        expression += re.escape(pattern[at:match.start()]) + group(match)
        at = match.end()
    expression += re.escape(pattern[at:])
    found = re.fullmatch(expression, actual, re.DOTALL)
    if not found:
        raise Mismatch("%s is '%s', not '%s'" % (where, actual, pattern))
    for name, value in zip(names, found.groups()):
        if not name.startswith("any"):
            variables[name] = value


def _local(tag):
    return tag.rpartition("}")[2]


def _match_attributes(pattern, actual, variables):
    name = _local(pattern.tag)
    for key, value in pattern.attrib.items():
        if key == _MORE_ATTRIBUTES or (value == "{any?}" and key not in actual.attrib):
            continue
        if key not in actual.attrib:
            raise Mismatch("<%s> has no attribute %s" % (name, _local(key)))
        value = "{any}" if value == "{any?}" else value
        _match_text(value, actual.attrib[key], variables, "%s of <%s>" % (_local(key), name))
    more = set(actual.attrib) - set(pattern.attrib)
    if pattern.tag.startswith("{%s}" % CLIENT):
        more.discard(XML_LANG)
    if more and _MORE_ATTRIBUTES not in pattern.attrib:
        raise Mismatch("<%s> has more attributes: %s" % (name, ", ".join(map(_local, sorted(more)))))


def _all_text(element):
    return (element.text or "") + "".join(child.tail or "" for child in element)


def _is_added(parent, child, pattern):
    """What a server may add: a delay to presence; to a message its id in the archive of whom it is for
    (XEP-0359), where the pattern does not ask for such."""
    if parent.tag == "{%s}presence" % CLIENT:
        return child.tag == "{urn:xmpp:delay}delay"
    return parent.tag == "{%s}message" % CLIENT and child.tag == _STANZA_ID \
        and child.get("by") == parent.get("to", "").split("/")[0] \
        and all(wanted.tag != _STANZA_ID for wanted in pattern)


def _match_children(pattern, actual, variables, allows_more):
    left = list(actual)
    for wanted in pattern:
        reason = None
        for child in left:
            attempt = dict(variables)
            try:
                match(wanted, child, attempt)
            except Mismatch as mismatch:
                reason = mismatch if child.tag == wanted.tag or reason is None else reason
                continue
            variables.update(attempt)
            left.remove(child)
            break
        else:
            raise Mismatch("no child <%s> fits%s" % (_local(wanted.tag),
                                                     ": %s" % reason if reason else ""))
    left = [child for child in left if not _is_added(actual, child, pattern)]
    if left and not allows_more:
        raise Mismatch("<%s> has more children: %s" % (
            _local(pattern.tag), ", ".join(_local(child.tag) for child in left)))


def match(pattern, actual, variables):
    """Raises Mismatch, or gives new variables their values."""
    if pattern.tag != actual.tag:
        raise Mismatch("it is %s, not %s" % (actual.tag, pattern.tag))
    _match_attributes(pattern, actual, variables)
    text = _all_text(pattern).strip()
    if text == "{any}":
        return
    allows_more = "{*}" in text
    _match_children(pattern, actual, variables, allows_more)
    if not allows_more:
        _match_text(text, _all_text(actual).strip(), variables, "text of <%s>" % _local(pattern.tag))


def fits(pattern, actual, variables):
    attempt = dict(variables)
    try:
        match(pattern, actual, attempt)
    except Mismatch:
        return False
    variables.update(attempt)
    return True


def show(element, outer=CLIENT, depth=0):
    """The element as indented text, attributes sorted: for people and for diffs."""
    ns, name = (element.tag[1:].split("}") if element.tag.startswith("{") else ("", element.tag))
    head = "  " * depth + "<" + name + ("" if ns == outer else " xmlns='%s'" % ns)
    for key in sorted(element.attrib):
        value = " {*}" if key == _MORE_ATTRIBUTES else " %s='%s'" % (_local(key), element.attrib[key])
        head += value
    text = _all_text(element).strip()
    if len(element) == 0:
        return head + (">%s</%s>" % (text, name) if text else "/>")
    lines = [head + ">"] + ([("  " * (depth + 1)) + text] if text else [])
    lines += [show(child, ns, depth + 1) for child in element] if depth < _SHOWN_DEPTH else ["..."]
    return "\n".join(lines + ["  " * depth + "</%s>" % name])
