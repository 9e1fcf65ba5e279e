package spec

// faults are the paths with a finding. Values there are not compared with others,
// so that one mistake is told once.
type faults struct {
	at    map[string]bool // paths with a finding
	above map[string]bool // paths that have a fault somewhere below
}

func newFaults() *faults { return &faults{at: map[string]bool{}, above: map[string]bool{}} }

// add notes a finding. One about the whole file says nothing about its values.
func (f *faults) add(path string) {
	if path == "" || f.at[path] {
		return
	}
	f.at[path] = true
	for p := parent(path); p != "" && !f.above[p]; p = parent(p) {
		f.above[p] = true
	}
}

// touch says whether there is a finding at the path, above or below it.
func (f *faults) touch(path string) bool {
	if f.above[path] {
		return true
	}
	for p := path; p != ""; p = parent(p) {
		if f.at[p] {
			return true
		}
	}
	return false
}
