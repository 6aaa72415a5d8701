"""HTTP in and out: routes, bodies, content negotiation, representation. Used by every client."""
