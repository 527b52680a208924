from circuits import Component, Event
from circuits.core.debugger import Debugger


class Present(Event):
    """Who is there?"""

    success = True


class House(Component):
    def __init__(self):
        super(House, self).__init__()

        Debugger().register(self)
        Ada().register(self)
        Kurt().register(self)

    def started(self, *args):
        self.fire(Present())

    def present_success(self, evt, result):
        if not isinstance(result, list):
            result = [result]
        print("In the house:")
        for name in result:
            print(name)


class Resident(Component):
    def present(self):
        return self.__class__.__name__


class Ada(Resident):
    """Lives upstairs."""


class Kurt(Resident):
    """Lives downstairs."""


House().run()
