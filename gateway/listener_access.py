"""Who may enter the gateway's listener, and what he may say and hear there. Loaded by amqtt, by name (listener.py).

A client's identifier is its user's name, or begins with it and a slash, and says whose client it is. The user name of a
session may not be his: amqtt gives a living session that of anybody who calls with its identifier, and asks for the
password afterwards.
"""

from __future__ import annotations

import hmac
from dataclasses import dataclass, field

from amqtt.contexts import Action
from amqtt.plugins.base import BaseAuthPlugin, BaseTopicPlugin
from amqtt.session import Session

from wire import topics
from wire.errors import TopicError


class Passwords(BaseAuthPlugin):
    """A device enters with its own name and password, or not at all.

    It brings no last will: the broker would publish that past the topic rules.
    """

    async def authenticate(self, *, session: Session) -> bool:
        """Compare in constant time: how long a refusal takes tells nothing of the password."""
        known = self.config.users.get(session.username or "")
        given = (session.password or "").encode()
        if known is None or not hmac.compare_digest(known.encode(), given):
            return False
        return _user_of(session) == session.username and not session.will_flag

    @dataclass
    class Config:
        """User → password."""

        users: dict[str, str] = field(default_factory=dict)


class OwnTopics(BaseTopicPlugin):
    """A device publishes its own scans and hears their outcomes; only the gateway itself may do more."""

    async def topic_filtering(
        self, *, session: Session | None = None, topic: str | None = None, action: Action | None = None
    ) -> bool:
        """May this session do this with this topic?"""
        if session is None:
            return False
        user = _user_of(session)
        if user == self.config.whole_site:
            return True
        try:
            return topic == topics.topic(self.config.site, user, "scans" if action == Action.PUBLISH else "outcomes")
        except TopicError:
            return False

    @dataclass
    class Config:
        """The site, and the user who may do everything."""

        site: str = ""
        whole_site: str = ""


def _user_of(session: Session) -> str:
    return (session.client_id or "").partition("/")[0]
