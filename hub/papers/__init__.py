"""What the hub says in writing of one employee's year, as PDF and as a signed credential."""
