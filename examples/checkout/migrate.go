package main

import (
	"context"
	"embed"
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
)

//go:embed migrations
var migrations embed.FS

// migrate does one half of a migration: "create" makes schema 1; "expand" makes schema 2
// beside it, "contract" takes schema 1 away. Each may run again and ends the same.
func migrate(ctx context.Context, connection, half string, out io.Writer) error {
	conn, err := pgx.Connect(ctx, connection)
	if err != nil {
		return fmt.Errorf("migrate: %w", err)
	}
	defer func() { _ = conn.Close(context.WithoutCancel(ctx)) }()
	// One at a time: one whose starter was lost may go on still.
	if _, err := conn.Exec(ctx, "SELECT pg_advisory_lock(hashtext('checkout/migrate'))"); err != nil {
		return fmt.Errorf("migrate: %w", err)
	}
	// A change of the table that waits for a lock keeps everybody else waiting, too:
	// better to give up soon and try again.
	if _, err := conn.Exec(ctx, "SET lock_timeout = '500ms'"); err != nil {
		return fmt.Errorf("migrate: %w", err)
	}
	switch half {
	case "create", "contract":
		_, err = apply(ctx, conn, half)
	case "expand":
		err = expand(ctx, conn, out)
	default:
		return fmt.Errorf("migrate: %q is none of create, expand and contract", half)
	}
	if err != nil {
		return fmt.Errorf("migrate %s: %w", half, err)
	}
	_, err = fmt.Fprintf(out, "%s: done\n", half)
	return err
}

// expand does nothing to a table that was contracted: it has what expand is for.
func expand(ctx context.Context, conn *pgx.Conn, out io.Writer) error {
	var hasName bool
	err := conn.QueryRow(ctx, `SELECT EXISTS (SELECT FROM information_schema.columns WHERE table_schema = current_schema AND table_name = 'orders' AND column_name = 'name')`).Scan(&hasName)
	if err != nil || !hasName {
		return err
	}
	if _, err := apply(ctx, conn, "expand"); err != nil {
		return err
	}
	for {
		rows, err := apply(ctx, conn, "backfill")
		if err != nil || rows == 0 {
			return err
		}
		if _, err := fmt.Fprintf(out, "backfill: %d orders\n", rows); err != nil {
			return err
		}
	}
}

// apply runs a file's statements in one transaction, again while others hold a lock.
func apply(ctx context.Context, conn *pgx.Conn, name string) (rows int64, err error) {
	const lockNotAvailable = "55P03"
	statements, err := migrations.ReadFile("migrations/" + name + ".sql")
	if err != nil {
		return 0, err
	}
	for range 60 {
		var tag pgconn.CommandTag
		tag, err = conn.Exec(ctx, string(statements))
		var problem *pgconn.PgError
		if !errors.As(err, &problem) || problem.Code != lockNotAvailable {
			return tag.RowsAffected(), err
		}
		select {
		case <-ctx.Done():
			return 0, ctx.Err()
		case <-time.After(200 * time.Millisecond):
		}
	}
	return 0, err
}
