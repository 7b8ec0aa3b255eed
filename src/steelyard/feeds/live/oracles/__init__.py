"""Oracle networks: signed reports, verified before anything is believed."""
