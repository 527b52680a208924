from circuits import Component
from circuits.tools import graph


class House(Component):
    def __init__(self):
        super(House, self).__init__()

        self.ada = Ada().register(self)
        self.kurt = Kurt().register(self)

    def started(self, *args):
        print(graph(self.root))


class Ada(Component):
    def started(self, *args):
        print("This is Ada")


class Kurt(Component):
    def started(self, *args):
        print("This is Kurt")


House().run()
