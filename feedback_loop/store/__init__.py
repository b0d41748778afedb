"""The database: engine, schema, and one module per noun with all its SQL. No policy and no statistics here."""
