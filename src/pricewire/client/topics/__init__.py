"""Many subscriptions over one stream."""
