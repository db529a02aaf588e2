"""Who may enter the gateway's listener, and what he may say and hear there. Loaded by amqtt, by name (listener.py)."""

from __future__ import annotations

import hmac
from dataclasses import dataclass, field

from amqtt.contexts import Action
from amqtt.plugins.base import BaseAuthPlugin, BaseTopicPlugin
from amqtt.session import Session

from wire.errors import TopicError
from wire.topics import topic


class Passwords(BaseAuthPlugin):
    """A device enters with its own name and password, or not at all.

    Its client identifier is its name, or begins with its name and a slash: nobody can push another one out by taking
    his. It brings no last will: the broker would publish that past the topic rules.
    """

    async def authenticate(self, *, session: Session) -> bool:
        """Compare in constant time: how long a refusal takes tells nothing of the password."""
        known = self.config.users.get(session.username or "")
        given = (session.password or "").encode()
        if known is None or not hmac.compare_digest(known.encode(), given):
            return False
        if session.username == self.config.whole_site:
            return True
        is_own_id = f"{session.client_id}/".startswith(f"{session.username}/")
        return is_own_id and not session.will_flag

    @dataclass
    class Config:
        """User → password, and the user who may do everything."""

        users: dict[str, str] = field(default_factory=dict)
        whole_site: str = ""


class OwnTopics(BaseTopicPlugin):
    """A device publishes its own scans and hears their outcomes; only the gateway itself may do more."""

    async def topic_filtering(
        self, *, session: Session | None = None, topic: str | None = None, action: Action | None = None
    ) -> bool:
        """May this session do this with this topic?"""
        user = session.username if session is not None else None
        if user is None or user == self.config.whole_site:
            return user is not None
        return topic == _own_topic(self.config.site, user, action)

    @dataclass
    class Config:
        """The site, and the user who may do everything."""

        site: str = ""
        whole_site: str = ""


def _own_topic(site: str, device: str, action: Action | None) -> str | None:
    try:
        return topic(site, device, "scans" if action == Action.PUBLISH else "outcomes")
    except TopicError:
        return None
