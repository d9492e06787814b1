"""Scripted XML conversations: reads scripts that look like a play and performs them against a server.

script.py reads the text, stage.py performs statements, client.py knows streams and logins, transport.py
moves bytes, pattern.py compares XML, sasl.py computes SASL answers.
"""
