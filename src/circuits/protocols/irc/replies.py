"""Answers of servers: functions that make a :class:`~circuits.protocols.irc.message.Message`.

Numbered replies have ``add_nick`` set: before they are sent, the nickname of the receiver belongs in
front of their parameters, and the name of the server into ``prefix``.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from .message import Message

__all__ = [
    "ERROR",
    "JOIN",
    "KICK",
    "MODE",
    "PART",
    "PING",
    "PONG",
    "TOPIC",
    "RPL_WELCOME",
    "RPL_YOURHOST",
    "RPL_CREATED",
    "RPL_MYINFO",
    "RPL_ISUPPORT",
    "RPL_UMODEIS",
    "RPL_LUSERCLIENT",
    "RPL_LUSEROP",
    "RPL_LUSERUNKOWN",
    "RPL_LUSERCHANNELS",
    "RPL_LUSERME",
    "RPL_AWAY",
    "RPL_UNAWAY",
    "RPL_NOWAWAY",
    "RPL_WHOISUSER",
    "RPL_WHOISSERVER",
    "RPL_WHOISOPERATOR",
    "RPL_ENDOFWHO",
    "RPL_WHOISIDLE",
    "RPL_ENDOFWHOIS",
    "RPL_WHOISCHANNELS",
    "RPL_LISTSTART",
    "RPL_LIST",
    "RPL_LISTEND",
    "RPL_CHANNELMODEIS",
    "RPL_NOTOPIC",
    "RPL_TOPIC",
    "RPL_TOPICWHO",
    "RPL_INVITING",
    "RPL_SUMMONING",
    "RPL_INVITELIST",
    "RPL_ENDOFINVITELIST",
    "RPL_VERSION",
    "RPL_WHOREPLY",
    "RPL_NAMEREPLY",
    "RPL_ENDOFNAMES",
    "RPL_MOTD",
    "RPL_MOTDSTART",
    "RPL_ENDOFMOTD",
    "RPL_YOUREOPER",
    "ERR_NOSUCHNICK",
    "ERR_NOSUCHCHANNEL",
    "ERR_CANNOTSENDTOCHAN",
    "ERR_TOOMANYCHANNELS",
    "ERR_UNKNOWNCOMMAND",
    "ERR_NOMOTD",
    "ERR_NONICKNAMEGIVEN",
    "ERR_ERRONEUSNICKNAME",
    "ERR_NICKNAMEINUSE",
    "ERR_USERNOTINCHANNEL",
    "ERR_NOTREGISTERED",
    "ERR_NEEDMOREPARAMS",
    "ERR_PASSWDMISMATCH",
    "ERR_UNKNOWNMODE",
    "ERR_NOPRIVILEGES",
    "ERR_CHANOPRIVSNEEDED",
    "ERR_NOOPERHOST",
    "ERR_USERSDONTMATCH",
]


def _numbered(number: int, *args: Any) -> Message:
    return Message(f"{number:03}", *args, add_nick=True)


def ERROR(host: str, reason: str | None = None) -> Message:
    """The connection will be closed."""
    return Message("ERROR", f"Closing link: {host} ({reason or ''})")


def JOIN(name: str, prefix: Any = None) -> Message:
    """Somebody has joined."""
    return Message("JOIN", name, prefix=prefix)


def KICK(channel: str, nick: str, reason: str | None = None, prefix: Any = None) -> Message:
    """Somebody was thrown out."""
    return Message("KICK", channel, nick, reason, prefix=prefix)


def MODE(target: str, modes: str, params: Any = None, prefix: Any = None) -> Message:
    """Modes were changed; several parameters as a list."""
    if params is None:
        params = ()
    elif isinstance(params, str):
        params = (params,)
    return Message("MODE", target, modes, *params, prefix=prefix)


def PART(channel: str, nick: str, reason: str | None = None, prefix: Any = None) -> Message:
    """Somebody has left."""
    return Message("PART", channel, nick, reason, prefix=prefix)


def PING(server: str) -> Message:
    """A sign of life is wanted."""
    return Message("PING", server)


def PONG(server: str, text: str) -> Message:
    """A sign of life."""
    return Message("PONG", server, text)


def TOPIC(channel: str, topic: str, prefix: Any = None) -> Message:
    """A topic was set."""
    return Message("TOPIC", channel, topic, prefix=prefix)


def RPL_WELCOME(network: str) -> Message:
    """The client is known now."""
    return _numbered(1, f"Welcome to the {network} IRC Network")


def RPL_YOURHOST(host: str, version: str) -> Message:
    """Which server this is."""
    return _numbered(2, f"Your host is {host} running {version}")


def RPL_CREATED(date: str) -> Message:
    """How old the server is."""
    return _numbered(3, f"This server was created {date}")


def RPL_MYINFO(server: str, version: str, umodes: str, chmodes: str) -> Message:
    """What the server is able to do."""
    return _numbered(4, server, version, umodes, chmodes)


def RPL_ISUPPORT(features: Iterable[str]) -> Message:
    """What the server is able to do, in detail."""
    return _numbered(5, *features, "are supported by this server")


def RPL_UMODEIS(modes: str) -> Message:
    """The modes of the client."""
    return _numbered(221, modes)


def RPL_LUSERCLIENT(nusers: int, nservices: int, nservers: int) -> Message:
    """How large the network is."""
    return _numbered(
        251, f"There are {nusers} users and {nservices} services on {nservers} servers"
    )


def RPL_LUSEROP(noperators: int) -> Message:
    """How many operators there are."""
    return _numbered(252, noperators, "operator(s) online")


def RPL_LUSERUNKOWN(nunknown: int) -> Message:
    """How many have not registered."""
    return _numbered(253, nunknown, "unknown connection(s)")


def RPL_LUSERCHANNELS(nchannels: int) -> Message:
    """How many channels there are."""
    return _numbered(254, nchannels, "channels formed")


def RPL_LUSERME(nclients: int, nservers: int) -> Message:
    """How large the server is."""
    return _numbered(255, f"I have {nclients} clients and {nservers} servers")


def RPL_AWAY(nick: str, message: str) -> Message:
    """Somebody is away."""
    return _numbered(301, nick, message)


def RPL_UNAWAY() -> Message:
    """The client is back."""
    return _numbered(305, "You are no longer marked as being away")


def RPL_NOWAWAY() -> Message:
    """The client is away."""
    return _numbered(306, "You have been marked as being away")


def RPL_WHOISUSER(nick: str, user: str, host: str, realname: str) -> Message:
    """Who somebody is."""
    return _numbered(311, nick, user, host, "*", realname)


def RPL_WHOISSERVER(nick: str, server: str, server_info: str) -> Message:
    """Where somebody is."""
    return _numbered(312, nick, server, server_info)


def RPL_WHOISOPERATOR(nick: str) -> Message:
    """Somebody is an operator."""
    return _numbered(313, nick, "is an IRC operator")


def RPL_ENDOFWHO(mask: str) -> Message:
    """That was all about WHO."""
    return _numbered(315, mask, "End of WHO list")


def RPL_WHOISIDLE(nick: str, idle: int, signon: int) -> Message:
    """How long somebody has said nothing."""
    return _numbered(317, nick, idle, signon, "seconds idle, signon time")


def RPL_ENDOFWHOIS(nick: str) -> Message:
    """That was all about somebody."""
    return _numbered(318, nick, "End of WHOIS list")


def RPL_WHOISCHANNELS(nick: str, channels: Iterable[str]) -> Message:
    """Which channels somebody is in."""
    return _numbered(319, nick, " ".join(channels))


def RPL_LISTSTART(header: str | None = None) -> Message:
    """The list of channels follows."""
    return _numbered(321, *(("Channels", "Users Name") if header is None else (header,)))


def RPL_LIST(channel: str, nvisible: int, topic: str) -> Message:
    """One channel."""
    return _numbered(322, channel, nvisible, topic)


def RPL_LISTEND() -> Message:
    """That were all channels."""
    return _numbered(323, "End of LIST")


def RPL_CHANNELMODEIS(channel: str, mode: str, params: str | None = None) -> Message:
    """The modes of a channel."""
    return _numbered(324, channel, mode, params)


def RPL_NOTOPIC(channel: str) -> Message:
    """A channel has no topic."""
    return _numbered(331, channel, "No topic is set")


def RPL_TOPIC(channel: str, topic: str) -> Message:
    """The topic of a channel."""
    return _numbered(332, channel, topic)


def RPL_TOPICWHO(channel: str, setter: str, timestamp: int) -> Message:
    """Who has set the topic, and when."""
    return _numbered(333, channel, setter, timestamp)


def RPL_INVITING(channel: str, nick: str) -> Message:
    """Somebody was invited."""
    return _numbered(341, channel, nick)


def RPL_SUMMONING(user: str) -> Message:
    """Somebody is called to IRC."""
    return _numbered(342, user, "Summoning user to IRC")


def RPL_INVITELIST(channel: str, invitemask: str) -> Message:
    """Who is always invited."""
    return _numbered(346, channel, invitemask)


def RPL_ENDOFINVITELIST(channel: str) -> Message:
    """That were all who are always invited."""
    return _numbered(347, channel, "End of channel invite list")


def RPL_VERSION(name: str, version: str, hostname: str, url: str) -> Message:
    """Which program the server runs."""
    return _numbered(351, name, version, hostname, url)


def RPL_WHOREPLY(
    channel: str, user: str, host: str, server: str, nick: str, status: str, hops: int, name: str
) -> Message:
    """One of those who were asked for."""
    return _numbered(352, channel, user, host, server, nick, status, f"{hops} {name}")


def RPL_NAMEREPLY(channel: str, names: Iterable[str]) -> Message:
    """Who is in a channel."""
    return _numbered(353, "=", channel, " ".join(names))


def RPL_ENDOFNAMES(channel: str) -> Message:
    """That were all in the channel."""
    return _numbered(366, channel, "End of NAMES list")


def RPL_MOTD(text: str) -> Message:
    """One line of the message of the day."""
    return _numbered(372, f"- {text}")


def RPL_MOTDSTART(server: str) -> Message:
    """The message of the day follows."""
    return _numbered(375, f"- {server} Message of the day -")


def RPL_ENDOFMOTD() -> Message:
    """That was the message of the day."""
    return _numbered(376, "End of MOTD command")


def RPL_YOUREOPER() -> Message:
    """The client is an operator now."""
    return _numbered(381, "You are now an IRC operator")


def ERR_NOSUCHNICK(nick: str) -> Message:
    """Nobody is called so."""
    return _numbered(401, nick, "No such nick")


def ERR_NOSUCHCHANNEL(channel: str) -> Message:
    """There is no such channel."""
    return _numbered(403, channel, "No such channel")


def ERR_CANNOTSENDTOCHAN(channel: str) -> Message:
    """The client may not speak there."""
    return _numbered(404, channel, "Cannot send to channel")


def ERR_TOOMANYCHANNELS(channel: str) -> Message:
    """The client is in too many channels."""
    return _numbered(405, channel, "You have joined too many channels")


def ERR_UNKNOWNCOMMAND(command: str) -> Message:
    """There is no such command."""
    return _numbered(421, command, "Unknown command")


def ERR_NOMOTD() -> Message:
    """There is no message of the day."""
    return _numbered(422, "MOTD file is missing")


def ERR_NONICKNAMEGIVEN() -> Message:
    """The nickname is missing."""
    return _numbered(431, "No nickname given")


def ERR_ERRONEUSNICKNAME(nick: str) -> Message:
    """Nobody may be called so."""
    return _numbered(432, nick, "Erroneous nickname")


def ERR_NICKNAMEINUSE(nick: str) -> Message:
    """Somebody else is called so."""
    return _numbered(433, nick, "Nickname is already in use")


def ERR_USERNOTINCHANNEL(nick: str, channel: str) -> Message:
    """Somebody is not in the channel."""
    return _numbered(441, nick, channel, "They aren't on that channel")


def ERR_NOTREGISTERED() -> Message:
    """First tell who you are."""
    return _numbered(451, "You have not registered")


def ERR_NEEDMOREPARAMS(command: str) -> Message:
    """A parameter is missing."""
    return _numbered(461, command, "Need more parameters")


def ERR_PASSWDMISMATCH() -> Message:
    """The password is wrong."""
    return _numbered(464, "Password incorrect")


def ERR_UNKNOWNMODE(mode: str, channel: str | None = None) -> Message:
    """There is no such mode."""
    return _numbered(
        472, mode, "is unknown mode char to me" + (f" for channel {channel}" if channel else "")
    )


def ERR_NOPRIVILEGES() -> Message:
    """Only operators may."""
    return _numbered(481, "Permission Denied- You're not an IRC operator")


def ERR_CHANOPRIVSNEEDED(channel: str) -> Message:
    """Only operators of the channel may."""
    return _numbered(482, channel, "You're not channel operator")


def ERR_NOOPERHOST() -> Message:
    """Nobody at that host may become an operator."""
    return _numbered(491, "No O-lines for your host")


def ERR_USERSDONTMATCH() -> Message:
    """These modes are somebody else's."""
    return _numbered(502, "Cannot change mode for other users")
