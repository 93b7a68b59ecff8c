"""What a person looks at of an event: a film of it, and why it scored."""
