"""Everything that is deployed: a Kubernetes API server whose pods run as tasks of a provider.

The map of the layers; imports point down, and import-linter says so:

    plane                     puts it together: storage + provider + registries + controllers + API
    endpoints                 HTTP and Lambda events (the only package that imports chalice)
    controllers               make the world match the stored objects
    registry                  what the API does to objects, the same for every resource
    storage | providers       objects and revisions | run containers somewhere; they never meet
    | files                   | keep the files of jobs
    apimachinery              Kubernetes' rules, pure
"""
