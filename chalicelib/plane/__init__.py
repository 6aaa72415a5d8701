"""The wiring of one control plane, in the order in which it is built; control_plane.py reads from top to bottom.

    host            Lambda or a long-lived process, and what follows from it
    backends        storage, provider, file store and audit log, as the settings choose
    foundation      these together, with clock, tokens and background work
    registries      what is stored, and what a write goes through
    controllers     what acts on it: the controllers, subscribed to changes, and their chores
    api             who may enter, and what answers requests
    control_plane   ControlPlane: all of it

Used by app.py, the local server and tests.
"""
