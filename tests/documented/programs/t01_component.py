from circuits import Component

Component().run()
