#!/usr/bin/env python3
"""finch (libpurple, as Pidgin) in a terminal over TCP: SCRAM, the certificate it knows, chat, presence.

Its person is on the web at the same time and makes the contacts there; finch then finds them.
"""

import os
import re
import shutil
from xml.sax.saxutils import escape

import desktop
from desktop import Web, befriend, make_account, server
from terminal import Terminal

ACCOUNT = """<?xml version='1.0'?>
<account version='1.0'><account>
<protocol>prpl-jabber</protocol><name>%s/desk</name><password>%s</password>
<settings>
<setting name='connect_server' type='string'>%s</setting><setting name='port' type='int'>%s</setting>
<setting name='connection_security' type='string'>%s</setting>
</settings>
<settings ui='gnt-purple'><setting name='auto-login' type='bool'>1</setting></settings>
<statuses><status type='away' name='Away' active='true'><attributes>
<attribute id='message' type='string' value='under the balcony'/>
</attributes></status></statuses>
</account></account>
"""
STATUS = """<?xml version='1.0'?>
<statuses version='1.0'><status name='balcony' created='1234' lastused='1234' usage_count='1'>
<state>away</state><message>under the balcony</message></status></statuses>
"""
PREFERENCES = """<?xml version='1.0'?>
<pref version='1' name='/'><pref name='purple'><pref name='savedstatus'>
<pref name='default' type='int' value='1234'/>
<pref name='startup_current_status' type='bool' value='1'/>
</pref></pref></pref>
"""
SECURITY = {"starttls": "require_tls", "tls": "old_ssl"}


async def start(terminal, account, way):
    purple = os.path.join(terminal.home, ".purple")
    peers = os.path.join(purple, "certificates", "x509", "tls_peers")
    os.makedirs(peers)
    shutil.copy(desktop.CERTIFICATE, os.path.join(peers, desktop.DOMAIN))
    files = {"status.xml": STATUS, "prefs.xml": PREFERENCES, "accounts.xml": ACCOUNT % (
        account.jid, escape(account.password), *server(way), SECURITY[way])}
    for name, text in files.items():
        with open(os.path.join(purple, name), "w", encoding="utf-8") as out:
            out.write(text)
    await terminal.start("finch")


async def talk(terminal, romeo, web):
    desk = romeo.jid + "/desk"
    await web.sees("^presence %s away under the balcony" % re.escape(desk))
    await terminal.shows("◯ juliet")
    web.presence("away", "at the window")
    await terminal.shows("⊖ juliet")  # its list draws what is shown, without the words

    web.message(desk, "Ay <me>! & 'thou'")
    await terminal.shows("Ay <me>! & 'thou'")
    await terminal.keys("M-n")  # from the list to the conversation
    await terminal.enter("But, soft! <what> & so")
    await web.sees("^message %s But, soft! <what> & so$" % re.escape(desk))

    await terminal.keys("M-q")
    await web.sees("^presence %s unavailable" % re.escape(desk))


async def conversation(way):
    romeo, juliet = await make_account("romeo"), await make_account("juliet")
    web, elsewhere = await Web.log_in(juliet, 1), await Web.log_in(romeo, 0)
    terminal = Terminal()
    try:
        await befriend(elsewhere, romeo.jid, web, juliet.jid)
        await start(terminal, romeo, way)
        await talk(terminal, romeo, web)
    finally:
        await terminal.end()
        await web.leave()
        await elsewhere.leave()


async def refusal(way):
    """It tries one mechanism after the other, again and again, and shows nothing."""
    romeo = await make_account("romeo")
    romeo.password = "not it"
    terminal = Terminal()
    try:
        await start(terminal, romeo, way)
        await desktop.refused(romeo)
        assert romeo.jid not in await desktop.control("session", "list")
    finally:
        await terminal.end()
    desktop.assert_scram(romeo)


def tests():
    found = {}
    for way in desktop.WAYS:
        by = "finch over %s " % way
        found[by + "chats both ways with a WebSocket client and each sees the other's presence"] = \
            lambda w=way: conversation(w)
        found[by + "uses SCRAM and is refused with a wrong password"] = lambda w=way: refusal(w)
    return found


if __name__ == "__main__":
    desktop.run(tests())
