"""What travels between clients, workflows and activities. Durable schemas: fields are only added, with defaults."""
