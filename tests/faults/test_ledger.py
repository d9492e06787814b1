#!/usr/bin/env python3
"""The books find what they must find: the checker of the fault tests, checked."""

import os
import sys
import unittest

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import ledger  # noqa: E402


class Books(unittest.TestCase):
    def setUp(self):
        self.books = ledger.Ledger()

    def send(self, count, sender="a", recipient="b"):
        for _ in range(count):
            self.books.acked(sender, recipient, self.books.next_number(sender, recipient))

    def arrive(self, *numbers):
        for number in numbers:
            self.books.arrived("a", "b", number)

    def found(self):
        self.books.close()
        return {what: count for what, count in self.books.counts().items() if count}

    def test_all_is_well(self):
        self.send(3)
        self.arrive(1, 2, 3)
        self.assertEqual(self.found(), {})

    def test_a_lost_message_is_found(self):
        self.send(3)
        self.arrive(1, 3)
        self.assertEqual(self.found(), {ledger.LOST: 1})

    def test_what_was_never_acknowledged_is_not_called_lost(self):
        self.books.next_number("a", "b")
        self.assertEqual(self.found(), {})
        self.assertEqual(self.books.unacknowledged(), 1)

    def test_a_doubled_message_is_found(self):
        self.send(2)
        self.arrive(1, 2, 1)
        self.assertEqual(self.found(), {ledger.DOUBLED: 1})

    def test_a_late_message_is_found(self):
        self.send(3)
        self.arrive(1, 3, 2)
        self.assertEqual(self.found(), {ledger.REORDERED: 1})

    def test_pairs_are_kept_apart(self):
        self.send(1)
        self.send(1, "b", "a")
        self.books.arrived("b", "a", 1)
        self.assertEqual(self.found(), {ledger.LOST: 1})

    def test_a_message_nobody_sent_is_found(self):
        self.arrive(1)
        self.assertEqual(self.found(), {ledger.UNSENT: 1})

    def test_an_archive_is_held_to_the_same(self):
        self.send(4)
        self.arrive(1, 2, 3, 4)
        self.books.check_archive("a", [("a", "b", n) for n in (1, 2, 3, 4)])
        self.assertEqual(self.found(), {})
        self.books.check_archive("b", [("a", "b", n) for n in (1, 3, 2, 2)])
        self.assertEqual(self.found(), {ledger.LOST: 1, ledger.DOUBLED: 1, ledger.REORDERED: 1})


if __name__ == "__main__":
    unittest.main()
