"""The store on a relational database: SQLite now, by SQLAlchemy Core. Every statement stands here, by subject."""
