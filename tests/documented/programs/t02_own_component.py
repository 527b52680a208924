from circuits import Component


class Lamp(Component):
    """A component that does nothing yet."""


Lamp().run()
