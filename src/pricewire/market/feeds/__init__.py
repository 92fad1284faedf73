"""The feeds that come with Pricewire."""
