"""What documents say of stock: receipts that announce things, opening stock that stands somewhere."""
