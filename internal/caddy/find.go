package caddy

import (
	"errors"
	"os"
	"os/exec"
	"path/filepath"
)

// Find finds the caddy program: in $SWITCHYARD_BIN, in bin/ of this directory or one
// above it, on PATH.
func Find() (string, error) {
	var dirs []string
	if d := os.Getenv("SWITCHYARD_BIN"); d != "" {
		dirs = append(dirs, d)
	}
	if wd, err := os.Getwd(); err == nil {
		for d := wd; ; d = filepath.Dir(d) {
			dirs = append(dirs, filepath.Join(d, "bin"))
			if d == filepath.Dir(d) {
				break
			}
		}
	}
	for _, d := range dirs {
		path := filepath.Join(d, "caddy")
		if st, err := os.Stat(path); err == nil && st.Mode().IsRegular() && st.Mode()&0o111 != 0 {
			return path, nil
		}
	}
	if path, err := exec.LookPath("caddy"); err == nil {
		return filepath.Abs(path)
	}
	return "", errors.New("find caddy: it is not in $SWITCHYARD_BIN, bin/ or on PATH (`make tools` builds it)")
}
