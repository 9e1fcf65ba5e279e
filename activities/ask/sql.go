package ask

import (
	"context"
	"errors"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"github.com/switchyard/switchyard/platform/secretref"
	"github.com/switchyard/switchyard/release"
	"github.com/switchyard/switchyard/release/spec"
)

const sqlBound = "SELECT 1 answers 1"

// askSQL connects and asks SELECT 1. The check is about reachability: a database that
// refuses fails. A reference that can't be resolved, or is no connection string, is the
// worker's trouble and tells nothing. Nothing of the connection string gets into the
// result: errors are told by what the driver and the server say of them.
func askSQL(ctx context.Context, check spec.SQLCheck) release.Result {
	text, err := secretref.Resolve(check.Connection)
	if err != nil {
		return unknown(sqlBound, "%v", err)
	}
	config, err := pgx.ParseConfig(text)
	if err != nil { // the error repeats parts of the text
		return unknown(sqlBound, "what %s refers to is no connection string of PostgreSQL", check.Connection)
	}
	timeout := orTen(check.Timeout)
	asking, cancel := context.WithTimeout(ctx, timeout)
	defer cancel()
	began := time.Now()
	seen, err := selectOne(asking, config)
	if err != nil && asking.Err() != nil {
		return failed(sqlBound, "no answer within %s", timeout)
	}
	return judgeSQL(seen, time.Since(began), err, text, config.Password)
}

func selectOne(ctx context.Context, config *pgx.ConnConfig) (seen int, err error) {
	conn, err := pgx.ConnectConfig(ctx, config)
	if err != nil {
		return 0, err
	}
	defer func() {
		ending, cancel := context.WithTimeout(context.WithoutCancel(ctx), time.Second)
		defer cancel()
		_ = conn.Close(ending) // the answer is there; the server notices a closed socket
	}()
	err = conn.QueryRow(ctx, "SELECT 1").Scan(&seen)
	return seen, err
}

// judgeSQL is the verdict on SELECT 1.
func judgeSQL(seen int, took time.Duration, err error, secrets ...string) release.Result {
	var refused *pgconn.PgError
	var connecting *pgconn.ConnectError
	switch {
	case err == nil && seen == 1:
		return passed(sqlBound, "answered in %s", took.Round(time.Millisecond))
	case err == nil:
		return failed(sqlBound, "answered %d", seen)
	case ours(err):
		return unknown(sqlBound, "the worker can't ask: %s", hide(root(err).Error(), secrets...))
	case errors.As(err, &refused):
		return failed(sqlBound, "the server refused: %s (SQLSTATE %s)", hide(refused.Message, secrets...), refused.Code)
	case errors.As(err, &connecting):
		return failed(sqlBound, "no connection: %s", hide(root(err).Error(), secrets...))
	default:
		return failed(sqlBound, "no answer: %s", hide(root(err).Error(), secrets...))
	}
}

// root is the first error of the chain: the driver's own errors, around it, name the
// user and the database of the connection string.
func root(err error) error {
	for {
		switch wrapped := err.(type) { //nolint:errorlint // the chain itself is walked
		case interface{ Unwrap() error }:
			inner := wrapped.Unwrap()
			if inner == nil {
				return err
			}
			err = inner
		case interface{ Unwrap() []error }:
			inner := wrapped.Unwrap()
			if len(inner) == 0 {
				return err
			}
			err = inner[len(inner)-1]
		default:
			return err
		}
	}
}
