"""What gateways send: applied exactly once, by a cursor."""
