"""What is known of each track as a whole: gathered face by face, summarised when it ends."""
