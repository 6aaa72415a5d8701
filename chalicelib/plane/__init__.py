"""The wiring of one control plane, read from top to bottom: what is chosen, in which order it is built.

    control_plane   ControlPlane: everything that runs, in the order in which it is built
    host            Lambda or a long-lived process, and what follows from it
    backends        storage, provider, file store and audit log, as the settings choose
    authentication  who may enter
    controllers     the controllers and their chores
    api             the HTTP API

Used by app.py, the local server and tests.
"""
