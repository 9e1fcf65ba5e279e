package main

import (
	"net/http"
	"net/url"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/switchyard/switchyard/internal/pgtest"
)

// Both builds order on the expanded table, each in its own shape, and each reads what
// the other wrote; on the contracted one only the newer one does.
func TestBothBuildsOrderWhileTheTableChanges(t *testing.T) {
	db := pgtest.Start(t)
	builds := map[int]*service{}
	for _, schema := range []int{1, 2} {
		builds[schema] = serves(build{Schema: schema}, faults{})
		o, err := openOrders(db.URL("postgres"), schema)
		require.NoError(t, err)
		builds[schema].orders = o
	}
	orders := func(schema int, name string) string {
		w := ask(builds[schema], http.MethodGet, "/checkout?item=tea&name="+url.QueryEscape(name), "")
		if w.Code != http.StatusOK {
			return ""
		}
		return w.Body.String()
	}
	change := func(half string) string {
		var out strings.Builder
		require.NoError(t, migrate(t.Context(), db.URL("postgres"), half, &out))
		return out.String()
	}
	require.Error(t, migrate(t.Context(), db.URL("postgres"), "shrink", new(strings.Builder)))
	require.Empty(t, orders(1, "Ada Lovelace"), "there is no table")
	change("create")
	require.Contains(t, orders(1, "Ada King Lovelace"), `"customer":"Ada King Lovelace"`)
	require.Empty(t, orders(2, "Grace Hopper"), "the table is not expanded")
	require.Contains(t, change("expand"), "backfill: 1 orders")
	for range 2 { // expanding again changes nothing
		require.Contains(t, orders(2, "Grace Hopper"), `"customer":"Grace Hopper"`)
		require.Contains(t, orders(1, "Cher"), `"customer":"Cher"`)
		change("create")
		require.NotContains(t, change("expand"), "backfill")
	}
	change("contract")
	change("contract")
	require.NotContains(t, change("expand"), "backfill")
	require.Contains(t, orders(2, "Cher"), `"customer":"Cher"`)
	require.Empty(t, orders(1, "Ada Lovelace"))

	var first, last string
	conn := db.Connect(t, "postgres")
	require.NoError(t, conn.QueryRow(t.Context(), "SELECT first_name, last_name FROM orders ORDER BY id LIMIT 1").Scan(&first, &last))
	require.Equal(t, []string{"Ada", "King Lovelace"}, []string{first, last})
}
