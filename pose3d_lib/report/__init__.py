"""What the numbered notebooks show: tables, figures, the page."""
