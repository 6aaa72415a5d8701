"""The store in DynamoDB: for Lambda."""
