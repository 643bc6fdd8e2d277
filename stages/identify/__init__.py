"""Who a face is: indexes of embeddings, the roster of known people, and the stage that asks it."""
