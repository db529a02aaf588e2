"""What a person should know about: raised once, cleared when it is over."""
