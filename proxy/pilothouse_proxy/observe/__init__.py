"""What a proxy tells of itself: metrics and one access-log line a request. Never a body, never a key.

`meters` are plain numbers, bound once a snapshot and rendered only when scraped; `outcome` is what the pipeline fills.
"""
