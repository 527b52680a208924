from circuits import Component


class Greeter(Component):
    def started(self, *args):
        print("Good morning!")


Greeter().run()
