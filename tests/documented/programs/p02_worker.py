from circuits import Component, Task, Worker


def factorial(n):
    x = 1
    for i in range(1, n + 1):
        x = x * i
    return x


class App(Component):
    def init(self, *args, **kwargs):
        Worker(process=True, workers=2).register(self)

    def started(self, *args):
        x = yield self.call(Task(factorial, 10), "worker")
        y = yield self.call(Task(factorial, -1), "worker")
        print(x.value, y.value)
        self.stop()


if __name__ == "__main__":
    App().run()
