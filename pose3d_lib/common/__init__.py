"""What every room uses: errors, names, folders, files, tables as text."""
