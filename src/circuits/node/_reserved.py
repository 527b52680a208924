"""The names of the framework's own events. A test compares them with what there is.

They are written down, since to collect them would load all of the framework.
"""

from __future__ import annotations

from typing import Final

__all__ = ["KERNEL", "RESERVED"]

_KERNEL: Final = """
LiteralEvent base_event complete derived_event done error event exception failure generate_events hang_up
prepare_unregister registered signal started stopped success unregister unregistered value_changed
"""

_OTHERS: Final = """
accessed ack add_path bridge_lost broadcast cap capabilities client_heartbeat close closed command
command_away command_cap command_ctcp command_ctcpreply command_invite command_join command_kick
command_mode command_names command_nick command_notice command_part command_pass command_ping
command_pong command_privmsg command_quit command_raw command_topic command_user command_who
command_whois config_event connect connected connected_to connection_failed crashed create created
ctcp daemonize daemonized dead_letter delete_pid deleted disconnect disconnected disconnected_from
draining environment_event eof gave_up heartbeat_timeout httperror invite io_error ipc join kick
kill line load log message mode modified moved nack nick not_connected notice numeric
on_stomp_error open opened overflow packet part pause ping pong quit read ready recording_ended rehash remote
remove_path request response restart restarted resume rotated rpc save seek send server_error
server_heartbeat socket_error start starttls starttls_done status stomp_event stop stream
subscribe task terminate terminated topic unmounted unreachable unsubscribe upgrade verify wait
watchdog web_event websocket write write_pid
"""

#: The events of the kernel: nobody outside of a program may fire them in it.
KERNEL: Final = frozenset(_KERNEL.split())

#: The events of the framework, and what its components handle. They come in from another node
#: only where ``accept=`` names them, and those of the kernel never.
RESERVED: Final = KERNEL | frozenset(_OTHERS.split())
