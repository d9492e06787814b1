"""Phrases about SASL2 (XEP-0388) and what comes with it."""

from . import pattern
from .client import SASL2, Failure

_CONDITIONS = "urn:ietf:params:xml:ns:xmpp-sasl"


class Sasl2:
    """A part of the stage."""

    def sends_the_header(self, name, user, _):
        client = self.client(name)
        client.send(client.framing.opening(self.setting.domain, self.expand(user)))

    def has_needed_flights(self, name, count, _):
        """What a client sends without waiting for an answer is one flight; round trips are as many."""
        if self.client(name).flights != int(count):
            raise Failure("%d were needed" % self.client(name).flights)

    async def _authenticate2(self, name, account, mechanism, authzid, details, inner):
        user = self.expand(account).rpartition("@")[0]
        credentials = (user, self._password(account, details), self.expand(authzid or ""))
        return await self.client(name).authenticate2(
            mechanism or "SCRAM-SHA-256", credentials, self.expand(inner).replace("\n", ""),
            self.setting.patience)

    async def authenticates_by_sasl2(self, name, account, mechanism, authzid, details, inner):
        """The <success/> is to be received next, without what SCRAM says; the actor's name is its full
        JID if a session was bound."""
        success = await self._authenticate2(name, account, mechanism, authzid, details, inner)
        if success.tag != "{%s}success" % SASL2:
            raise Failure("not let in: " + pattern.show(success))
        said = success.find("{%s}additional-data" % SASL2)
        if said is not None:
            success.remove(said)
        identifier = success.findtext("{%s}authorization-identifier" % SASL2) or ""
        if "/" in identifier:
            self.variables[name] = identifier
        self.client(name).push_back([success])

    async def fails_by_sasl2(self, name, condition, account, mechanism, authzid, details, inner):
        failure = await self._authenticate2(name, account, mechanism, authzid, details, inner)
        if failure.tag != "{%s}failure" % SASL2:
            raise Failure("let in")
        if failure.find("{%s}%s" % (_CONDITIONS, condition)) is None:
            raise Failure("not %s but %s" % (condition, pattern.show(failure)))
