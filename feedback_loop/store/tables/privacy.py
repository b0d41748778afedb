"""Privacy: people whose records are not taken. Does not belong here: anything that is said of them."""

import sqlalchemy as sa

from feedback_loop.store.tables.columns import Text, Timestamp, column, key, metadata

opt_outs = sa.Table("opt_outs", metadata, key("user_hash", Text), column("opted_out_at", Timestamp))
