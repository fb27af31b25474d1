"""The store's SQL: blocking functions over a SQLAlchemy connection. Only the store's own threads import it."""
