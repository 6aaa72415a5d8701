"""What applications have used, what that costs, and the end of those that spend more than they may."""
