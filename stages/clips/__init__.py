"""Parts of films: copied without loss, or encoded anew, exact to the frame."""
