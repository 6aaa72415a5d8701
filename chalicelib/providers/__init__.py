"""Run containers somewhere. `base` is the contract, each other module one backend."""
