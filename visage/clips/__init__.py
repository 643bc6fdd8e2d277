"""Every appearance of a person, cut out of the films of an archive: clips, a supercut, a contact sheet."""
