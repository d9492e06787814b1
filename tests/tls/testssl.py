"""testssl.sh over one port: what it finds, and what of that is not accepted."""

import json
import os
import shutil
import signal
import subprocess
import tempfile

# What no server can mend here, or what is none of its business. Anything else that is not OK or INFO fails.
ACCEPTED = {
    "DNS_CAArecord": "the test's names are in no DNS",
    "sessionresumption_ticket": "testssl hangs up before a ticket of TLS 1.3 can come; run.py resumes itself",
    "engine_problem": "about the machine that looks: its openssl has no engine for GOST ciphers, which nobody offers",
    "service": "testssl cannot tell what speaks behind direct TLS that is not HTTP (DEBUG)",
}
FINE = ("OK", "INFO")
# Protocols, ciphers, forward secrecy, preferences, certificate and extensions, vulnerabilities. Not each
# cipher and not each simulated client: those only repeat at length what these say.
SECTIONS = ["--protocols", "--std", "--fs", "--server-preference", "--server-defaults", "--vulnerable"]
# A scan that was cut short must not pass: what every one has to say.
WANTED = ["SSLv2", "SSLv3", "TLS1", "TLS1_1", "TLS1_2", "TLS1_3", "cipherlist_aNULL", "cipherlist_STRONG", "PFS",
          "PFS_ECDHE_curves", "cipher_order", "TLS_session_ticket", "cert_chain_of_trust", "cert_trust",
          "cert_expirationStatus", "OCSP_stapling", "heartbleed", "CCS", "ROBOT", "secure_renego",
          "secure_client_renego", "CRIME_TLS", "SWEET32", "DROWN", "LOGJAM", "BEAST", "LUCKY13", "RC4"]
_WAITS = {"MAX_WAITSOCK": "4", "HEARTBLEED_MAX_WAITSOCK": "3", "CCS_MAX_WAITSOCK": "3"}  # seconds, on loopback


class Scan:
    """Runs from its making until finish()."""

    def __init__(self, name, arguments, root, wanted=()):
        self.name = name
        self._wanted = [*WANTED, *wanted]
        self._folder = tempfile.mkdtemp(prefix="jackdaw-testssl-")
        self._json = os.path.join(self._folder, "found.json")
        self._log = open(os.path.join(self._folder, "log"), "w", encoding="utf-8")
        self._child = subprocess.Popen(
            ["testssl", "--quiet", "--color", "0", "--warnings", "batch", "--nodns", "min", "--ip", "127.0.0.1",
             "--add-ca", root, "--jsonfile", self._json, *SECTIONS, *arguments],
            stdin=subprocess.DEVNULL, stdout=self._log, stderr=subprocess.STDOUT, env={**os.environ, **_WAITS},
            start_new_session=True)

    def finish(self, timeout):
        """A list of complaints."""
        try:
            self._child.wait(timeout)
        except subprocess.TimeoutExpired:
            os.killpg(self._child.pid, signal.SIGKILL)
            self._child.wait()
            return ["testssl did not end in %d s, see %s" % (timeout, self._folder)]
        finally:
            self._log.close()
        try:
            with open(self._json, encoding="utf-8") as text:
                found = json.load(text)
        except (OSError, ValueError) as error:
            return ["testssl left no findings (%s), see %s" % (error, self._folder)]
        complaints = judge(found, self._wanted)
        if not complaints:
            shutil.rmtree(self._folder)
        return complaints


def judge(found, wanted):
    complaints = ["%s %s: %s" % (each["severity"], each["id"], each["finding"]) for each in found
                  if each["severity"] not in FINE and each["id"] not in ACCEPTED]
    said = {each["id"].partition(" ")[0] for each in found}
    return complaints + ["%s was not looked at" % each for each in wanted if each not in said]
