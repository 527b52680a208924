"""Other processes: pools of them, starting and forking them, and what goes to them and back.

The machinery of ``circuits.core.workers``, ``bridge`` and ``supervisor``, which are above it, and of
``Manager.start(process=True)``, which is far below and is handed what it needs by ``circuits.core``.
"""
