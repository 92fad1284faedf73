"""`python -m pricewire` is `pricewire`."""

from pricewire.cli import main

main()
