#!/bin/sh
# Temporal's tables: made the first time, brought up to the version of this image every time.
set -eu

tool() {
    database=$1
    shift
    temporal-sql-tool --plugin postgres12 --ep "$POSTGRES_SEEDS" -u "$POSTGRES_USER" -p "$DB_PORT" --db "$database" "$@"
}

for pair in temporal:temporal temporal_visibility:visibility; do
    database=${pair%:*}
    tool "$database" setup-schema -v 0.0 || echo "$database has its tables already"
    tool "$database" update-schema -d "/etc/temporal/schema/postgresql/v12/${pair#*:}/versioned"
done
