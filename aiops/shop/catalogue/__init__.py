"""What each service of the shop says on normal days, and the new errors a bad version brings."""
