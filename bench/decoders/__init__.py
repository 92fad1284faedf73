"""The decoders of event streams that Pricewire's is measured beside."""
