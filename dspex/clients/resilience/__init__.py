"""What keeps calls going: limiter, circuit breaker, retries."""
