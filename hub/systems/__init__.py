"""The systems that the hub knows: what they are, whether they work, and what is fetched from them."""
