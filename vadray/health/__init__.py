"""Whether cameras see what they should: dark, frozen, blurred or moved ones by name, and drift from night to night."""
