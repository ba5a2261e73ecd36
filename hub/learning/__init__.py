"""What there is to learn, what people plan and need, and what they undertake beyond a course."""
