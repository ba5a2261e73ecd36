"""The other parties of a test: a person with a browser, course providers, and a hub prepared for both."""
