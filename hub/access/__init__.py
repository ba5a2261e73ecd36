"""Who calls: people who sign in, credentials and tokens of launches, how often, and keys per purpose."""
