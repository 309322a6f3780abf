"""What both baselines share: each part's statements and rules. The monolith calls them, services serve them."""
