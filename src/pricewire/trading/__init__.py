"""Trading: what contracts are worth, who holds which, and the money behind them."""
