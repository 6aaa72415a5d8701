"""Requests and answers: routes, bodies, negotiation, representation."""
