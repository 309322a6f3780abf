"""What Alembic runs for each command; craton.data.migrations gives it the connection and the tables of one module."""

from alembic import context

given = context.config.attributes
context.configure(
    connection=given["connection"], target_metadata=given["metadata"], version_table=given["version_table"],
    render_as_batch=True, compare_type=True, compare_server_default=True,
)
with context.begin_transaction():
    context.run_migrations()
