"""Networking: sockets, and protocols over them."""
