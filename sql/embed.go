// Package sql holds the migrations of schema authd, for hosts that run them with a tool
// of their own. Next to database/sql it is imported as authdsql.
package sql

import "embed"

// Migrations holds migrations/NNNN_name.sql: plain SQL with goose's comments. Each file
// records itself in authd.schema_versions, so it does not matter which tool ran it.
//
//go:embed migrations/*.sql
var Migrations embed.FS
