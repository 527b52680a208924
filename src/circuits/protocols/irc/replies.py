"""Answers of servers: functions that make a :class:`~circuits.protocols.irc.message.Message`.

Numbered replies have ``add_nick`` set: before they are sent, the nickname of the receiver belongs in
front of their parameters, and the name of the server into ``prefix``.
"""

# The functions below have no bodies: the decorator makes them.
# mypy: disable-error-code="empty-body"

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from functools import wraps
from typing import Any, ParamSpec

from circuits.net.protocols import _irc_numerics as numerics

from .message import Message

_Params = ParamSpec("_Params")

_FIELD = re.compile(r"\{(\w+)\}")


def _reply(
    form: str, number: int | None = None
) -> Callable[[Callable[_Params, Message]], Callable[_Params, Message]]:
    """Give a function its body: it puts its arguments into a form.

    The name of the function is that of a number, or else the command.

    Args:
        form: The parameters of the message as RFC 2812 shows them, by the names of arguments.
        number: The number, if :mod:`circuits.net.protocols.irc` has no name for it.
    """
    words, colon, text = form.partition(":")
    params = [*words.split(), text] if colon else words.split()

    def define(function: Callable[_Params, Message]) -> Callable[_Params, Message]:
        name = function.__name__
        is_numbered = name.startswith(("RPL_", "ERR_"))
        command = f"{number or getattr(numerics, name):03}" if is_numbered else name

        @wraps(function)
        def make(*args: _Params.args, **kwargs: _Params.kwargs) -> Message:
            values = _bind(function, args, kwargs)
            filled = [_fill(param, values) for param in params]
            return Message(command, *filled, prefix=values.get("prefix"), add_nick=is_numbered)

        shown = _FIELD.sub(r"<\1>", form)
        make.__doc__ = (
            f"``{command} <client> {shown}``." if is_numbered else f"``{command} {shown}``."
        )
        return make

    return define


def _bind(function: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> dict[str, Any]:
    """The arguments by their names; a function without a body says best what does not fit."""
    function(*args, **kwargs)
    code, defaults = function.__code__, function.__defaults__ or ()
    names = code.co_varnames[: code.co_argcount]
    values = dict(zip(reversed(names), reversed(defaults), strict=False))
    return values | dict(zip(names, args, strict=False)) | kwargs


def _fill(param: str, values: dict[str, Any]) -> Any:
    alone = _FIELD.fullmatch(param)  # it stays what it is: ``None`` is left out, bytes are decoded
    return values[alone[1]] if alone else param.format_map(values)


def _numbered(number: int, *args: Any) -> Message:
    return Message(f"{number:03}", *args, add_nick=True)


@_reply("{name}")
def JOIN(name: str, prefix: Any = None) -> Message: ...
@_reply("{channel} {nick} :{reason}")
def KICK(channel: str, nick: str, reason: str | None = None, prefix: Any = None) -> Message: ...
@_reply("{channel} {nick} :{reason}")
def PART(channel: str, nick: str, reason: str | None = None, prefix: Any = None) -> Message: ...
@_reply("{server}")
def PING(server: str) -> Message: ...
@_reply("{server} :{text}")
def PONG(server: str, text: str) -> Message: ...
@_reply("{channel} :{topic}")
def TOPIC(channel: str, topic: str, prefix: Any = None) -> Message: ...
@_reply(":Welcome to the {network} IRC Network")
def RPL_WELCOME(network: str) -> Message: ...
@_reply(":Your host is {host} running {version}")
def RPL_YOURHOST(host: str, version: str) -> Message: ...
@_reply(":This server was created {date}", 3)
def RPL_CREATED(date: str) -> Message: ...
@_reply("{server} {version} {umodes} {chmodes}", 4)
def RPL_MYINFO(server: str, version: str, umodes: str, chmodes: str) -> Message: ...
@_reply("{modes}")
def RPL_UMODEIS(modes: str) -> Message: ...
@_reply(":There are {nusers} users and {nservices} services on {nservers} servers")
def RPL_LUSERCLIENT(nusers: int, nservices: int, nservers: int) -> Message: ...
@_reply("{noperators} :operator(s) online")
def RPL_LUSEROP(noperators: int) -> Message: ...
@_reply("{nunknown} :unknown connection(s)", numerics.RPL_LUSERUNKNOWN)
def RPL_LUSERUNKOWN(nunknown: int) -> Message: ...
@_reply("{nchannels} :channels formed")
def RPL_LUSERCHANNELS(nchannels: int) -> Message: ...
@_reply(":I have {nclients} clients and {nservers} servers")
def RPL_LUSERME(nclients: int, nservers: int) -> Message: ...
@_reply("{nick} :{message}")
def RPL_AWAY(nick: str, message: str) -> Message: ...
@_reply(":You are no longer marked as being away")
def RPL_UNAWAY() -> Message: ...
@_reply(":You have been marked as being away")
def RPL_NOWAWAY() -> Message: ...
@_reply("{nick} {user} {host} * :{realname}")
def RPL_WHOISUSER(nick: str, user: str, host: str, realname: str) -> Message: ...
@_reply("{nick} {server} :{server_info}")
def RPL_WHOISSERVER(nick: str, server: str, server_info: str) -> Message: ...
@_reply("{nick} :is an IRC operator")
def RPL_WHOISOPERATOR(nick: str) -> Message: ...
@_reply("{mask} :End of WHO list")
def RPL_ENDOFWHO(mask: str) -> Message: ...
@_reply("{nick} {idle} {signon} :seconds idle, signon time")
def RPL_WHOISIDLE(nick: str, idle: int, signon: int) -> Message: ...
@_reply("{nick} :End of WHOIS list")
def RPL_ENDOFWHOIS(nick: str) -> Message: ...
@_reply("{channel} {nvisible} :{topic}")
def RPL_LIST(channel: str, nvisible: int, topic: str) -> Message: ...
@_reply(":End of LIST")
def RPL_LISTEND() -> Message: ...
@_reply("{channel} {mode} {params}")
def RPL_CHANNELMODEIS(channel: str, mode: str, params: str | None = None) -> Message: ...
@_reply("{channel} :No topic is set")
def RPL_NOTOPIC(channel: str) -> Message: ...
@_reply("{channel} :{topic}")
def RPL_TOPIC(channel: str, topic: str) -> Message: ...
@_reply("{channel} {setter} {timestamp}", 333)
def RPL_TOPICWHO(channel: str, setter: str, timestamp: int) -> Message: ...
@_reply("{channel} {nick}")
def RPL_INVITING(channel: str, nick: str) -> Message: ...
@_reply("{user} :Summoning user to IRC")
def RPL_SUMMONING(user: str) -> Message: ...
@_reply("{channel} {invitemask}", 346)
def RPL_INVITELIST(channel: str, invitemask: str) -> Message: ...
@_reply("{channel} :End of channel invite list", 347)
def RPL_ENDOFINVITELIST(channel: str) -> Message: ...
@_reply("{name} {version} {hostname} {url}")
def RPL_VERSION(name: str, version: str, hostname: str, url: str) -> Message: ...
@_reply("{channel} {user} {host} {server} {nick} {status} :{hops} {name}")
def RPL_WHOREPLY(
    channel: str, user: str, host: str, server: str, nick: str, status: str, hops: int, name: str
) -> Message: ...
@_reply("{channel} :End of NAMES list")
def RPL_ENDOFNAMES(channel: str) -> Message: ...
@_reply(":- {text}")
def RPL_MOTD(text: str) -> Message: ...
@_reply(":- {server} Message of the day -")
def RPL_MOTDSTART(server: str) -> Message: ...
@_reply(":End of MOTD command")
def RPL_ENDOFMOTD() -> Message: ...
@_reply(":You are now an IRC operator")
def RPL_YOUREOPER() -> Message: ...
@_reply("{nick} :No such nick")
def ERR_NOSUCHNICK(nick: str) -> Message: ...
@_reply("{channel} :No such channel")
def ERR_NOSUCHCHANNEL(channel: str) -> Message: ...
@_reply("{channel} :Cannot send to channel")
def ERR_CANNOTSENDTOCHAN(channel: str) -> Message: ...
@_reply("{channel} :You have joined too many channels")
def ERR_TOOMANYCHANNELS(channel: str) -> Message: ...
@_reply("{command} :Unknown command")
def ERR_UNKNOWNCOMMAND(command: str) -> Message: ...
@_reply(":MOTD file is missing")
def ERR_NOMOTD() -> Message: ...
@_reply(":No nickname given")
def ERR_NONICKNAMEGIVEN() -> Message: ...
@_reply("{nick} :Erroneous nickname")
def ERR_ERRONEUSNICKNAME(nick: str) -> Message: ...
@_reply("{nick} :Nickname is already in use")
def ERR_NICKNAMEINUSE(nick: str) -> Message: ...
@_reply("{nick} {channel} :They aren't on that channel", 441)
def ERR_USERNOTINCHANNEL(nick: str, channel: str) -> Message: ...
@_reply(":You have not registered")
def ERR_NOTREGISTERED() -> Message: ...
@_reply("{command} :Need more parameters")
def ERR_NEEDMOREPARAMS(command: str) -> Message: ...
@_reply(":Password incorrect")
def ERR_PASSWDMISMATCH() -> Message: ...
@_reply(":Permission Denied- You're not an IRC operator")
def ERR_NOPRIVILEGES() -> Message: ...
@_reply("{channel} :You're not channel operator")
def ERR_CHANOPRIVSNEEDED(channel: str) -> Message: ...
@_reply(":No O-lines for your host")
def ERR_NOOPERHOST() -> Message: ...
@_reply(":Cannot change mode for other users")
def ERR_USERSDONTMATCH() -> Message: ...


# -- what no form can say -----------------------------------------------------------------------


def ERROR(host: str, reason: str | None = None) -> Message:
    """The connection will be closed."""
    return Message("ERROR", f"Closing link: {host} ({reason or ''})")


def MODE(target: str, modes: str, params: Any = None, prefix: Any = None) -> Message:
    """Modes were changed; several parameters as a list."""
    if params is None:
        params = ()
    elif isinstance(params, str):
        params = (params,)
    return Message("MODE", target, modes, *params, prefix=prefix)


def RPL_ISUPPORT(features: Iterable[str]) -> Message:
    """What the server is able to do, in detail."""
    return _numbered(5, *features, "are supported by this server")


def RPL_WHOISCHANNELS(nick: str, channels: Iterable[str]) -> Message:
    """Which channels somebody is in."""
    return _numbered(numerics.RPL_WHOISCHANNELS, nick, " ".join(channels))


def RPL_LISTSTART(header: str | None = None) -> Message:
    """The list of channels follows."""
    return _numbered(321, *(("Channels", "Users Name") if header is None else (header,)))


def RPL_NAMEREPLY(channel: str, names: Iterable[str]) -> Message:
    """Who is in a channel."""
    return _numbered(numerics.RPL_NAMEREPLY, "=", channel, " ".join(names))


def ERR_UNKNOWNMODE(mode: str, channel: str | None = None) -> Message:
    """There is no such mode."""
    return _numbered(
        numerics.ERR_UNKNOWNMODE,
        mode,
        "is unknown mode char to me" + (f" for channel {channel}" if channel else ""),
    )


__all__ = [name for name in globals() if name.isupper() and name[0] != "_"]
