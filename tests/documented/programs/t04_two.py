from circuits import Component


class Ada(Component):
    def started(self, *args):
        print("This is Ada")


class Kurt(Component):
    def started(self, *args):
        print("This is Kurt")


(Ada() + Kurt()).run()
