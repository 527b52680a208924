from circuits.core.components import BaseComponent
from circuits.core.debugger import Debugger
from circuits.core.handlers import handler


class Watcher(BaseComponent):
    def __init__(self):
        super(Watcher, self).__init__()

        Debugger().register(self)

    @handler("started", channel="*")
    def _on_started(self, component):
        print("It has begun")


Watcher().run()
