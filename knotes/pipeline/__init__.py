"""What makes and checks the book: recording, comparing, the site. Pages never import it."""
