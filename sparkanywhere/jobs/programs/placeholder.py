"""The program of a warm driver, in place of the one that a job brings: it does nothing."""
