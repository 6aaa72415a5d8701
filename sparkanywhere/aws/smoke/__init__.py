"""The trial of a deployment on real AWS: small steps, each of which proves one thing, and a record of what AWS said."""
