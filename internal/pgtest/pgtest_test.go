package pgtest_test

import (
	"testing"

	"github.com/jackc/pgx/v5"
	"github.com/stretchr/testify/require"

	"github.com/switchyard/switchyard/internal/pgtest"
)

func TestClustersAreApartAndTakeSettings(t *testing.T) {
	one, two := pgtest.Start(t), pgtest.Start(t, "wal_level=logical")
	level := func(s *pgtest.Server) (level string) {
		require.NoError(t, s.Connect(t, "postgres").QueryRow(t.Context(), "SHOW wal_level").Scan(&level))
		return level
	}
	require.Equal(t, "replica", level(one))
	require.Equal(t, "logical", level(two))
	_, err := one.Connect(t, "postgres").Exec(t.Context(), "CREATE DATABASE shop")
	require.NoError(t, err)
	one.Connect(t, "shop")
	_, err = pgx.Connect(t.Context(), two.URL("shop"))
	require.Error(t, err)
}

func TestStoppedClusterIsGoneAndTheOtherStays(t *testing.T) {
	one, two := pgtest.Start(t), pgtest.Start(t)
	open := one.Connect(t, "postgres") // a client does not hold the end up
	one.Stop()
	require.Error(t, open.Ping(t.Context()))
	_, err := pgx.Connect(t.Context(), one.URL("postgres"))
	require.Error(t, err)
	two.Connect(t, "postgres")
	two.Kill()
	_, err = pgx.Connect(t.Context(), two.URL("postgres"))
	require.Error(t, err)
}
