"""The engine of the API: what create, update, patch, delete, list and watch do, the same for every resource.

It names no kind: what is peculiar to one is in its Strategy (resources/). Its users are the endpoints, and
controllers that write as a client would.
"""
