"""What tests share: waiting for conditions."""
