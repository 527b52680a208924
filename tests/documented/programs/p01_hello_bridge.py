import os

from circuits import Component, Event


class Hello(Event):
    """Asks for a greeting."""


class App(Component):
    def hello(self):
        return "Hello from another process: %s" % (os.getpid() == self.pid)


class Main(Component):
    channel = "main"

    def ready(self, *args):
        x = yield self.call(Hello())
        print(x.value)
        app.stop()
        self.stop()


if __name__ == "__main__":
    app = App()
    main = Main(channel="*")
    app.start(process=True, link=main)
    main.run()
