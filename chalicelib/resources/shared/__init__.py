"""What several kinds' strategies share."""
