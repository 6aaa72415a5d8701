"""What applications have used, what that costs, and the end of those that spend more than they may.

Used by `submit --max-usd` (the annotation sparkanywhere.io/max-usd), `cost` and the page.
"""
