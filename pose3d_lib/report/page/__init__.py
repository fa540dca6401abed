"""An executed notebook as one page that needs no network."""
