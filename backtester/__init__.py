"""Research: the compiled engine, metrics, reports and optimisers. Prices, profits and trades are trading/'s."""
