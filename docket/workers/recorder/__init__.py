"""Records one interface into a bounded ring of files, for sensors without a recorder of their own."""
