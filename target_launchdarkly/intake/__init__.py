"""From lines and files to records, from records to memberships."""
