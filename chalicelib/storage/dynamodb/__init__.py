"""The store in DynamoDB. Used on Lambda."""
