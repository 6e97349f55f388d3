"""Text from numbers and from outside: what is written for people, and the rules of what may be written at all."""
