"""The provider that runs tasks on a Docker engine. Used on laptops and single hosts (`chalice local --docker`).

provider.py is the front; launcher creates and starts, stopper ends; events, watcher and task_cache keep what is
known; container_spec and mounts translate a Task into the engine's words, task_state translates back.
"""
