"""Ready-made controllers that look into a running application."""
