#!/usr/bin/env python3
"""profanity in a terminal over TCP: a person's commands and what they see on the screen."""

import re

import desktop
from desktop import Web, make_account, server
from terminal import Terminal

TLS = {"starttls": "force", "tls": "legacy"}


async def connect(terminal, account, way):
    await terminal.start("profanity")
    await terminal.shows("to show complete help")
    await terminal.enter("/connect %s server %s port %s tls %s" % (account.jid, *server(way), TLS[way]))
    await terminal.shows("Enter password")
    await terminal.enter(account.password)


async def talk(terminal, romeo, web, juliet):
    jid = await terminal.shows(r"(%s/\S+) logged in successfully" % re.escape(romeo.jid))
    await terminal.enter("/presence console all")
    await terminal.enter("/sub request " + juliet.jid)
    await web.sees("^presence %s subscribe" % re.escape(romeo.jid))
    web.subscription("subscribed", romeo.jid)
    web.subscription("subscribe", romeo.jid)
    await terminal.shows("Received authorization request from " + re.escape(juliet.jid))
    await terminal.enter("/sub allow " + juliet.jid)
    await web.sees("^presence %s available" % re.escape(jid.group(1)))
    await terminal.shows(r"%s\S* \(web\) is online.*on the web" % re.escape(juliet.jid))

    web.presence("away", "at the window")
    await terminal.shows("is away.*at the window")
    await terminal.enter("/status set dnd \"under the balcony\"")
    await web.sees("^presence %s dnd under the balcony" % re.escape(jid.group(1)))

    await terminal.enter("/msg %s But, soft! <what> light & so – ☾" % juliet.jid)
    await web.sees("^message %s But, soft! <what> light & so – ☾$" % re.escape(jid.group(1)))
    web.message(jid.group(1), "Ay <me>! & 'thou' – ☾")
    await terminal.shows("Ay <me>! & 'thou' – ☾")

    await terminal.enter("/quit")
    await web.sees("^presence %s unavailable" % re.escape(jid.group(1)))


async def conversation(way):
    romeo, juliet = await make_account("romeo"), await make_account("juliet")
    web = await Web.log_in(juliet, 1)
    terminal = Terminal()
    try:
        await connect(terminal, romeo, way)
        await talk(terminal, romeo, web, juliet)
    finally:
        await terminal.end()
        await web.leave()


async def refusal(way):
    romeo = await make_account("romeo")
    romeo.password = "not it"
    terminal = Terminal()
    try:
        await connect(terminal, romeo, way)
        await terminal.shows("Login failed")
    finally:
        await terminal.end()
    desktop.assert_scram(romeo)


def tests():
    found = {}
    for way in desktop.WAYS:
        by = "profanity over %s " % way
        found[by + "chats both ways with a WebSocket client and each sees the other's status"] = \
            lambda w=way: conversation(w)
        found[by + "uses SCRAM and is refused with a wrong password"] = lambda w=way: refusal(w)
    return found


if __name__ == "__main__":
    desktop.run(tests())
