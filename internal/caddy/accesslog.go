package caddy

import (
	"bytes"
	"errors"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"sort"
	"syscall"
)

// AccessLog is the name of a balancer's access log, one JSON object a line. Unlike the
// proxy's own metrics it survives changes of the configuration.
const AccessLog = "access.log"

const readChunk = 4 << 20

// Tail is how far an access log was read. Saved with what was made of the lines, it
// has a reader count nothing twice and miss nothing that the log still holds.
type Tail struct {
	Inode  uint64 `json:"inode"`
	Offset int64  `json:"offset"`
}

type rolled struct {
	path  string
	inode uint64
}

// Read gives the whole lines written since last time to the end of the log in dir. It
// says whether there were any.
func (t *Tail) Read(dir string, line func([]byte)) (bool, error) {
	files, err := t.files(dir)
	if err != nil {
		return false, err
	}
	some := false
	for _, f := range files {
		if f.inode != t.Inode {
			t.Inode, t.Offset = f.inode, 0
		}
		got, err := t.readFile(f.path, line)
		some = some || got
		if err != nil {
			return some, err
		}
	}
	return some, nil
}

// files are the log and what it was rolled into, oldest first, from the one being read on.
func (t *Tail) files(dir string) ([]rolled, error) {
	paths, err := filepath.Glob(filepath.Join(dir, "access*.log"))
	if err != nil {
		return nil, err
	}
	current := filepath.Join(dir, AccessLog)
	var out []rolled
	for _, path := range paths {
		st, err := os.Stat(path)
		if errors.Is(err, fs.ErrNotExist) {
			continue // rolled away just now; found again next time
		}
		if err != nil {
			return nil, err
		}
		out = append(out, rolled{path, st.Sys().(*syscall.Stat_t).Ino})
	}
	sort.Slice(out, func(a, b int) bool {
		if ca, cb := out[a].path == current, out[b].path == current; ca != cb {
			return cb
		}
		return out[a].path < out[b].path // the names of rolled files carry the time
	})
	for k, f := range out {
		if f.inode == t.Inode {
			return out[k:], nil
		}
	}
	return out, nil
}

func (t *Tail) readFile(path string, line func([]byte)) (bool, error) {
	file, err := os.Open(path)
	if err != nil {
		return false, err
	}
	defer func() { _ = file.Close() }()
	some := false
	buf := make([]byte, 256<<10)
	for {
		got, err := file.ReadAt(buf, t.Offset)
		end := bytes.LastIndexByte(buf[:got], '\n') + 1
		for _, l := range bytes.Split(buf[:end], []byte{'\n'}) {
			if len(l) > 0 {
				line(l)
			}
		}
		t.Offset += int64(end)
		some = some || end > 0
		if errors.Is(err, io.EOF) || err == nil && end == 0 && len(buf) >= readChunk {
			return some, nil
		}
		if err != nil {
			return some, err
		}
		if end == 0 { // a line longer than the buffer
			buf = make([]byte, len(buf)*2)
		}
	}
}
