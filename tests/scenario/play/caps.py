"""Entity capabilities, computed from a received disco#info result: XEP-0115 section 5.1, XEP-0390 section 4.1."""

import base64
import hashlib

from .pattern import XML_LANG

_INFO = "{http://jabber.org/protocol/disco#info}"
_DATA = "{jabber:x:data}"


def _identities(query):
    return [(each.get("category"), each.get("type"), each.get(XML_LANG, ""), each.get("name", ""))
            for each in query.findall(_INFO + "identity")]


def _features(query):
    return [each.get("var") for each in query.findall(_INFO + "feature")]


def _forms(query):
    return [[(field.get("var"), sorted(value.text or "" for value in field.findall(_DATA + "value")))
             for field in form.findall(_DATA + "field")] for form in query.findall(_DATA + "x")]


def _digest(algorithm, text):
    return base64.b64encode(hashlib.new(algorithm, text.encode()).digest()).decode()


def ver(query, algorithm="sha1"):
    """The `ver` of XEP-0115."""
    text = "".join("%s/%s/%s/%s<" % identity for identity in sorted(_identities(query)))
    text += "".join(var + "<" for var in sorted(_features(query)))
    by_type = sorted((dict(form)["FORM_TYPE"][0], form) for form in _forms(query))
    for kind, form in by_type:
        text += kind + "<"
        for var, values in sorted(form):
            if var != "FORM_TYPE":
                text += var + "<" + "".join(value + "<" for value in values)
    return _digest(algorithm, text)


def hash2(query, algorithm="sha256"):
    """The capability hash of XEP-0390."""
    features = sorted(var + "\x1f" for var in _features(query))
    identities = sorted("".join(part + "\x1f" for part in each) + "\x1e" for each in _identities(query))
    forms = sorted("".join(sorted(var + "\x1f" + "".join(value + "\x1f" for value in values) + "\x1e"
                                  for var, values in form)) + "\x1d" for form in _forms(query))
    return _digest(algorithm, "".join("".join(part) + "\x1c" for part in (features, identities, forms)))


def expected_node(query, node):
    """What `node` had to be called: the same name with the hash of what was answered."""
    if node.startswith("urn:xmpp:caps#"):
        return "urn:xmpp:caps#sha-256." + hash2(query)
    return node.rpartition("#")[0] + "#" + ver(query)
