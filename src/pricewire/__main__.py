"""`python -m pricewire` is `pricewire`."""

from pricewire.cli.main import main

main()
