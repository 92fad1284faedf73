"""The bus: carries events from those who publish them to the hubs that stream them, in frames."""
