from circuits import Component, Event


class Ring(Event):
    """Somebody is at the door."""


class House(Component):
    def __init__(self):
        super(House, self).__init__()

        self.ada = Ada().register(self)
        self.kurt = Kurt().register(self)


class Resident(Component):
    def started(self, *args):
        self.fire(Ring())

    def ring(self):
        print("%s comes" % self.name)


class Ada(Resident):
    """Lives upstairs."""

    channel = "ada"


class Kurt(Resident):
    """Lives downstairs."""

    channel = "kurt"


House().run()
