//go:build judging

package judging

import (
	"fmt"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/switchyard/switchyard/internal/pgtest"
	"github.com/switchyard/switchyard/release"
	"github.com/switchyard/switchyard/release/spec"
)

// The orders table changes its shape while users order: expand, switch, back, forward
// again, contract. Nobody notices, no order is lost, and afterwards the version that
// needs the old shape is refused.
func TestADatabaseIsMigratedUnderItsUsers(t *testing.T) {
	t.Parallel()
	tell(t, spec.PlatformLocal, "migrated", func(s *story) {
		db := pgtest.Start(s.t)
		database := s.secret(s.t, "migrated-database", db.URL("postgres"))
		program := filepath.Join(repoRoot(), "examples", "checkout", "packer", "app", "bin", "checkout")
		half := func(name string) string {
			return fmt.Sprintf(`{command: {run: [%q, migrate, %s], secrets: {CHECKOUT_DATABASE: %q}}}`, program, name, database)
		}
		common := fmt.Sprintf("fleet: {secrets: {CHECKOUT_DATABASE: %q}}\n", database)
		one := common + fmt.Sprintf("migrations: {schema: 1, expand: %s}\n", half("create"))
		two := common + fmt.Sprintf("image: {packer: {variables: {schema: \"2\"}}}\nmigrations: {schema: 2, floor: 2, expand: %s, contract: %s}\n", half("expand"), half("contract"))

		entry := s.live(one + "soak: {duration: 0s}")
		l := s.loadOf(entry+"/checkout?item=tea:2&name=Ada+King+Lovelace", 30)
		h := s.start("v2", "2.0.0", two+"soak: {duration: 1h}")
		s.await(h, release.PhaseSoak)
		require.Equal(s.t, []string{"first_name", "id", "last_name", "made", "name", "total_cents"}, s.columns(db))
		s.order(h, release.Order{Kind: release.OrderRollback, Comment: "not yet"})
		back := s.ended(h)
		require.Equal(s.t, "rolled-back", back.Outcome(), "%s", s.excerpt(back))
		s.settled("v1", 2)

		forward := s.completed(s.start("v3", "2.0.0", two))
		require.Empty(s.t, forward.Warnings)
		require.Equal(s.t, []string{"first_name", "id", "last_name", "made", "total_cents"}, s.columns(db))
		s.settled("v3", 2)
		counts := s.noneFailed(l)

		var orders, lost uint64
		require.NoError(s.t, db.Connect(s.t, "postgres").QueryRow(s.t.Context(),
			`SELECT count(*), count(*) FILTER (WHERE (first_name, last_name) IS DISTINCT FROM ('Ada', 'King Lovelace')) FROM orders`).Scan(&orders, &lost))
		require.Equal(s.t, counts.Requests, orders)
		require.Zero(s.t, lost)

		refused := s.ended(s.start("v4", "1.0.0", common+"image: {packer: null, retained: 1.0.0}\n"))
		require.Contains(s.t, []string{"failed", "refused"}, refused.Outcome())
		require.Contains(s.t, refused.WayOut.Reason, "contracted")
		s.settled("v3", 2)
	})
}

func (s *story) columns(db *pgtest.Server) (names []string) {
	s.t.Helper()
	require.NoError(s.t, db.Connect(s.t, "postgres").QueryRow(s.t.Context(),
		`SELECT array_agg(column_name::text ORDER BY column_name) FROM information_schema.columns WHERE table_name = 'orders'`).Scan(&names))
	return names
}
