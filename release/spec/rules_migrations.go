package spec

import "fmt"

// half is one half of the migrations and where it stands.
type half struct {
	path      string
	migration Migration
}

// halves are the halves that are given.
func (m *Migrations) halves() []half {
	var out []half
	if m != nil && m.Expand != nil {
		out = append(out, half{"migrations.expand", *m.Expand})
	}
	if m != nil && m.Contract != nil {
		out = append(out, half{"migrations.contract", *m.Contract})
	}
	return out
}

// migrationsRule refuses a contract that does not say what it leaves, and a floor that
// the release's own build would not reach.
func migrationsRule(c *checker, s Spec) {
	m := s.Migrations
	if m == nil {
		return
	}
	for _, h := range m.halves() {
		c.oneOf(h.path, "there is nothing to run", "a half of a migration runs one of them", choice{"command", h.migration.Command != nil},
			choice{"http", h.migration.HTTP != nil}, choice{"temporal", h.migration.Temporal != nil})
	}
	switch {
	case !c.sound("migrations.floor") || c.bad.at["migrations.contract"]:
	case m.Contract != nil && m.Floor == 0:
		c.report("migrations.contract", "contract together with floor", "the field floor is missing; it says which older builds the contract leaves able to run")
	case m.Contract == nil && m.Floor != 0:
		c.report("migrations.floor", "floor together with contract", "the schema keeps its floor without contract; only contract takes away what older builds need")
	case m.Floor > m.Schema && c.sound("migrations.schema"):
		c.report("migrations.floor", fmt.Sprintf("at most %d, which schema is", m.Schema), "this build needs schema %d only, so it would not run any more", m.Schema)
	}
}
