"""What calls cost: prices, upper bounds, budgets."""
