"""The providers' wire formats: what is sent to each, what comes back, and what its errors mean."""
