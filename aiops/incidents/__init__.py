"""What an incident lives through, and the words it is told in."""
