package main

import (
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"
)

// databaseTimeout bounds what one request does in the database.
const databaseTimeout = 3 * time.Second

// orders keeps orders in PostgreSQL, in the shape that this build needs: schema 1 has
// the customer's name in one column, schema 2 has first and last name apart. How the
// one becomes the other while both builds run is in migrate.go.
type orders struct {
	config *pgx.ConnConfig
	idle   chan *pgx.Conn
	schema int
}

type order struct {
	ID       int64  `json:"id"`
	Customer string `json:"customer"`
}

const idleConnections = 4

// openOrders does not connect yet: an instance that waits for its database is no
// reason to replace it.
func openOrders(connection string, schema int) (*orders, error) {
	config, err := pgx.ParseConfig(connection)
	if err != nil {
		return nil, fmt.Errorf("CHECKOUT_DATABASE is no connection string: %w", err)
	}
	return &orders{config: config, idle: make(chan *pgx.Conn, idleConnections), schema: schema}, nil
}

// use lends a connection, an idle one if there is any.
func (o *orders) use(ctx context.Context, work func(*pgx.Conn) error) (err error) {
	var conn *pgx.Conn
	select {
	case conn = <-o.idle:
	default:
		if conn, err = pgx.ConnectConfig(ctx, o.config); err != nil {
			return fmt.Errorf("connect to the database: %w", err)
		}
	}
	if err = work(conn); err == nil {
		select {
		case o.idle <- conn:
			return nil
		default:
		}
	}
	_ = conn.Close(context.WithoutCancel(ctx)) // one too many, or in a state that nobody knows
	return err
}

// place writes an order and reads it back with those before it, whichever build wrote them.
func (o *orders) place(ctx context.Context, customer string, cents int64) (last order, err error) {
	ctx, cancel := context.WithTimeout(ctx, databaseTimeout)
	defer cancel()
	err = o.use(ctx, func(conn *pgx.Conn) error {
		return pgx.BeginFunc(ctx, conn, func(tx pgx.Tx) error {
			id, err := o.insert(ctx, tx, customer, cents)
			if err != nil {
				return err
			}
			latest, err := o.latest(ctx, tx, id)
			if err != nil {
				return err
			}
			last = latest[0]
			return nil
		})
	})
	return last, err
}

func (o *orders) insert(ctx context.Context, tx pgx.Tx, customer string, cents int64) (id int64, err error) {
	if o.schema >= 2 {
		first, rest, _ := strings.Cut(customer, " ")
		err = tx.QueryRow(ctx, `INSERT INTO orders (first_name, last_name, total_cents) VALUES ($1, $2, $3) RETURNING id`, first, rest, cents).Scan(&id)
	} else {
		err = tx.QueryRow(ctx, `INSERT INTO orders (name, total_cents) VALUES ($1, $2) RETURNING id`, customer, cents).Scan(&id)
	}
	if err != nil {
		return 0, fmt.Errorf("write the order: %w", err)
	}
	return id, nil
}

// latest are the orders up to id, newest first. One without its customer is an error.
func (o *orders) latest(ctx context.Context, tx pgx.Tx, id int64) ([]order, error) {
	query := `SELECT id, name FROM orders WHERE id <= $1 ORDER BY id DESC LIMIT 5`
	if o.schema >= 2 {
		query = `SELECT id, rtrim(first_name || ' ' || last_name) FROM orders WHERE id <= $1 ORDER BY id DESC LIMIT 5`
	}
	rows, err := tx.Query(ctx, query, id)
	if err != nil {
		return nil, fmt.Errorf("read the orders: %w", err)
	}
	found, err := pgx.CollectRows(rows, pgx.RowToStructByPos[order])
	if err != nil {
		return nil, fmt.Errorf("read the orders: %w", err)
	}
	return found, nil
}
