"""All writes: verb-first functions, keyword-only, one commit a call; a broken rule raises errors.DomainError."""
