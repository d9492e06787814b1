#!/usr/bin/env python3
"""The runner itself: patterns fit what they should and nothing else, scripts are read as written, SCRAM
is that of the RFCs."""

import hmac
import os
import sys
import tempfile
import unittest
from xml.etree import ElementTree

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from play import pattern, sasl, script, stage  # noqa: E402


def fits(wanted, actual, variables=None):
    variables = {} if variables is None else variables
    return pattern.fits(pattern.parse_all(wanted)[0], ElementTree.fromstring(actual), variables)


CLIENT = "xmlns='jabber:client'"


class Patterns(unittest.TestCase):
    def test_attributes(self):
        self.assertTrue(fits("<iq a='1' b='2'/>", "<iq %s b='2' a='1'/>" % CLIENT))
        self.assertFalse(fits("<iq a='1'/>", "<iq %s a='2'/>" % CLIENT))
        self.assertFalse(fits("<iq a='1'/>", "<iq %s/>" % CLIENT))
        self.assertFalse(fits("<iq a='1'/>", "<iq %s a='1' b='2'/>" % CLIENT))
        self.assertTrue(fits("<iq a='1' {*}/>", "<iq %s a='1' b='2'/>" % CLIENT))
        self.assertFalse(fits("<iq a='{any}'/>", "<iq %s/>" % CLIENT))
        self.assertTrue(fits("<iq a='{any?}'/>", "<iq %s/>" % CLIENT))

    def test_names_and_namespaces(self):
        self.assertFalse(fits("<iq/>", "<iq/>"))
        self.assertFalse(fits("<iq/>", "<message %s/>" % CLIENT))
        self.assertFalse(fits("<iq><a xmlns='u'/></iq>", "<iq %s><a/></iq>" % CLIENT))

    def test_children(self):
        both = "<iq %s><b/><a>1</a></iq>" % CLIENT
        self.assertTrue(fits("<iq><a>1</a><b/></iq>", both))
        self.assertFalse(fits("<iq><a>1</a></iq>", both))
        self.assertTrue(fits("<iq><a>1</a>{*}</iq>", both))
        self.assertFalse(fits("<iq><a>2</a>{*}</iq>", both))
        self.assertFalse(fits("<iq><a>1</a><b/><b/></iq>", both))
        self.assertTrue(fits("<iq>{any}</iq>", both))
        self.assertFalse(fits("<iq/>", both))

    def test_text(self):
        self.assertFalse(fits("<iq><a>1</a></iq>", "<iq %s><a>12</a></iq>" % CLIENT))
        self.assertFalse(fits("<iq><a/></iq>", "<iq %s><a>12</a></iq>" % CLIENT))
        self.assertFalse(fits("<iq><a>1</a></iq>", "<iq %s><a/></iq>" % CLIENT))

    def test_variables(self):
        variables = {"known": "x"}
        self.assertFalse(fits("<iq a='{known}'/>", "<iq %s a='y'/>" % CLIENT, variables))
        self.assertTrue(fits("<iq a='{known}-{new}'/>", "<iq %s a='x-7'/>" % CLIENT, variables))
        self.assertEqual(variables["new"], "7")
        self.assertFalse(fits("<iq a='{new}'/>", "<iq %s a='8'/>" % CLIENT, variables))
        self.assertFalse(fits("<iq a='{other}' b='1'/>", "<iq %s a='8' b='2'/>" % CLIENT, variables))
        self.assertNotIn("other", variables)

    def test_what_servers_may_add(self):
        added = ("<presence %s xml:lang='en'><delay xmlns='urn:xmpp:delay'/></presence>" % CLIENT)
        self.assertTrue(fits("<presence/>", added))
        self.assertFalse(fits("<presence/>", "<presence %s><x/></presence>" % CLIENT))
        self.assertFalse(fits("<message/>", added.replace("presence", "message")))
        stamped = "<message %s to='a@b/c'><stanza-id xmlns='urn:xmpp:sid:0' by='%%s' id='1'/></message>" % CLIENT
        self.assertTrue(fits("<message to='a@b/c'/>", stamped % "a@b"))
        self.assertFalse(fits("<message to='a@b/c'/>", stamped % "c@b"))
        self.assertFalse(fits("<message to='a@b/c'><stanza-id xmlns='urn:xmpp:sid:0' by='a@b' id='2'/></message>",
                              stamped % "a@b"))


class Scripts(unittest.TestCase):
    def read(self, text):
        with tempfile.NamedTemporaryFile("w", suffix=".txt") as file:
            file.write(text)
            file.flush()
            return script.read(file.name)

    def test_statements(self):
        summary, lines = self.read("# What it is.\naccounts: a b\na sends:\n    <x>\n      <y/>\n    </x>\n"
                                   "for N in 1 2:\n    a sends: <z/>\n    b waits\n")
        self.assertEqual(summary, "What it is.")
        self.assertEqual([(each.number, each.words, each.text) for each in lines],
                         [(2, "accounts", "a b"), (3, "a sends", "<x>\n<y/>\n</x>"),
                          (7, "for N in 1 2", "")])
        self.assertEqual([each.words for each in lines[2].block], ["a sends", "b waits"])

    def test_every_line_of_every_script_is_a_phrase(self):
        folder = os.path.join(os.path.dirname(os.path.abspath(__file__)), "scripts")

        def check(statements, name):
            for each in statements:
                if each.words.startswith("for "):
                    check(each.block, name)
                    continue
                words = each.words.replace("{COUNT}", "2")
                self.assertTrue(any(phrase.fullmatch(words) for phrase, _ in stage.PHRASES),
                                "%s:%d: %s" % (name, each.number, each.words))

        for name in os.listdir(folder):
            summary, statements = script.read(os.path.join(folder, name))
            self.assertTrue(summary, name)
            check(statements, name)


class Scram(unittest.TestCase):
    """The exchanges of RFC 5802 section 5 and RFC 7677 section 3."""

    def exchange(self, mechanism, nonce, challenge, final, signature):
        client = sasl.start(mechanism, "user", "pencil")
        client._first = "n=user,r=" + nonce
        self.assertEqual(sasl.decode(client.answer(sasl.encode(challenge))), final)
        self.assertTrue(client.accepts(sasl.encode(signature)))
        self.assertFalse(client.accepts(sasl.encode(signature[:-2] + "A=")))
        self.assertFalse(client.accepts(None))

    def test_sha_1(self):
        self.exchange("SCRAM-SHA-1", "fyko+d2lbbFgONRv9qkxdawL",
                      "r=fyko+d2lbbFgONRv9qkxdawL3rfcNHYJY1ZVvWVs7j,s=QSXCR+Q6sek8bf92,i=4096",
                      "c=biws,r=fyko+d2lbbFgONRv9qkxdawL3rfcNHYJY1ZVvWVs7j,"
                      "p=v0X8v3Bz2T0CJGbJQyF0X+HI4Ts=", "v=rmF9pqV8S7suAoZWja4dJRkFsKQ=")

    def test_sha_256(self):
        self.exchange("SCRAM-SHA-256", "rOprNGfwEbeRWgbNEkqO",
                      "r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,"
                      "s=W22ZaJ0SNY7soEsUEjb6gQ==,i=4096",
                      "c=biws,r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,"
                      "p=dHzbZapWIk4jUhN+Ute9ytag9zjfMHgsqmmiz7AndVQ=",
                      "v=6rriTRBi23WpRR/wtup+mMhUZUn/dB5nLTJRsjl95G4=")


class Tokens(unittest.TestCase):
    """The messages of draft-schmaus-kitten-sasl-ht-09."""

    def test_both_sides_prove_the_token(self):
        client = sasl.start("HT-SHA-256-ENDP", "user", "token", binding=b"cb")
        self.assertEqual(client.initial, sasl.encode(
            b"user\0" + hmac.digest(b"token", b"Initiatorcb", "sha256")))
        self.assertTrue(client.accepts(sasl.encode(hmac.digest(b"token", b"Respondercb", "sha256"))))
        self.assertFalse(client.accepts(sasl.encode(hmac.digest(b"token", b"Responder", "sha256"))))
        self.assertFalse(client.accepts(None))


if __name__ == "__main__":
    unittest.main()
