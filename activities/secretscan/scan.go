// Package secretscan looks for secrets in an image's file system with the rules of
// gitleaks. It tells where a secret is and which rule found it, and never what it is.
//
// Text files are searched whole, whatever their size. Files that hold a NUL byte in
// their first 8,000 bytes are taken for binaries and judged by their name alone (a
// PKCS#12 file is a finding): strings inside of compiled programs look like secrets
// far too often. Symbolic links are not followed; what they point to is in the image
// under its own name. Comments like "gitleaks:allow" have no effect: only the spec
// allows findings.
package secretscan

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"sort"
	"strings"
	"sync"

	"github.com/zricethezav/gitleaks/v8/detect"
	"golang.org/x/sync/errgroup"
)

const (
	sniffBytes = 8000
	// Files are searched in pieces, so that memory is bounded; pieces overlap, so
	// that a secret of up to overlapBytes on their border is found.
	chunkBytes   = 256 << 10
	overlapBytes = 16 << 10
	// decodeDepth is how many layers of base64, hex or percent encoding are taken off.
	decodeDepth = 2
)

// Finding is where a secret is.
type Finding struct {
	File string `json:"file"` // path in the image, without a slash in front
	Rule string `json:"rule"` // gitleaks' name of the rule
	Line int    `json:"line"` // from 1; 0 when the file's name alone is the finding
}

func (f Finding) String() string {
	if f.Line == 0 {
		return fmt.Sprintf("%s: %s", f.File, f.Rule)
	}
	return fmt.Sprintf("%s:%d: %s", f.File, f.Line, f.Rule)
}

// newDetector reads gitleaks' rules once; it does so through a global that must not
// be used by two goroutines.
var newDetector = sync.OnceValues(func() (*detect.Detector, error) {
	d, err := detect.NewDetectorDefaultConfig()
	if err != nil {
		return nil, fmt.Errorf("read the rules of the secret scan: %w", err)
	}
	d.IgnoreGitleaksAllow = true
	d.MaxDecodeDepth = decodeDepth
	return d, nil
})

// Scan searches every file below root and lists what it found, by file and line.
// allow are glob patterns of paths in the image whose findings are accepted: "*"
// stands for anything within a name, "**" for anything across folders.
// A file that can't be read is an error, since it may hold a secret.
func Scan(ctx context.Context, root string, allow []string) ([]Finding, error) {
	allowed, err := compile(allow)
	if err != nil {
		return nil, err
	}
	d, err := newDetector()
	if err != nil {
		return nil, err
	}
	// Within the root only: a link that leads out of it is not followed.
	dir, err := os.OpenRoot(root)
	if err != nil {
		return nil, fmt.Errorf("scan for secrets: %w", err)
	}
	defer dir.Close()

	var mu sync.Mutex
	found := map[Finding]bool{}
	group, ctx := errgroup.WithContext(ctx)
	group.SetLimit(runtime.GOMAXPROCS(0))
	err = fs.WalkDir(dir.FS(), ".", func(name string, e fs.DirEntry, err error) error {
		if err != nil || ctx.Err() != nil {
			return errors.Join(err, ctx.Err())
		}
		if !e.Type().IsRegular() || allowed(name) {
			return nil
		}
		group.Go(func() error {
			list, err := scanFile(ctx, d, dir, name)
			mu.Lock()
			defer mu.Unlock()
			for _, f := range list {
				found[f] = true
			}
			return err
		})
		return nil
	})
	if err := errors.Join(group.Wait(), err); err != nil {
		return nil, fmt.Errorf("scan %s for secrets: %w", root, err)
	}
	out := make([]Finding, 0, len(found))
	for f := range found {
		out = append(out, f)
	}
	sort.Slice(out, func(i, j int) bool {
		a, b := out[i], out[j]
		if a.File != b.File {
			return a.File < b.File
		}
		if a.Line != b.Line {
			return a.Line < b.Line
		}
		return a.Rule < b.Rule
	})
	return out, nil
}

func scanFile(ctx context.Context, d *detect.Detector, root *os.Root, name string) ([]Finding, error) {
	f, err := root.Open(filepath.FromSlash(name))
	if err != nil {
		return nil, err
	}
	defer f.Close()
	head := make([]byte, sniffBytes)
	n, err := io.ReadFull(f, head)
	if err != nil && !errors.Is(err, io.EOF) && !errors.Is(err, io.ErrUnexpectedEOF) {
		return nil, fmt.Errorf("read %s: %w", name, err)
	}
	head = head[:n]
	if n == 0 || bytes.IndexByte(head, 0) >= 0 {
		return detectIn(ctx, d, name, "", 1), ctx.Err()
	}
	return scanText(ctx, d, name, io.MultiReader(bytes.NewReader(head), f))
}

// scanText searches a text piece by piece. Each piece begins with the end of the one
// before it, from the start of a line where there is one.
func scanText(ctx context.Context, d *detect.Detector, name string, r io.Reader) ([]Finding, error) {
	var out []Finding
	buffer := make([]byte, 0, chunkBytes+overlapBytes)
	line := 1
	for {
		kept := len(buffer)
		buffer = buffer[:kept+chunkBytes]
		n, err := io.ReadFull(r, buffer[kept:])
		buffer = buffer[:kept+n]
		if n > 0 {
			out = append(out, detectIn(ctx, d, name, string(buffer), line)...)
		}
		if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
			return out, ctx.Err()
		}
		if err != nil {
			return out, fmt.Errorf("read %s: %w", name, err)
		}
		if ctx.Err() != nil {
			return out, ctx.Err()
		}
		from := max(len(buffer)-overlapBytes, 0)
		if i := bytes.IndexByte(buffer[from:], '\n'); i >= 0 {
			from += i + 1
		}
		line += bytes.Count(buffer[:from], []byte{'\n'})
		buffer = buffer[:copy(buffer[:cap(buffer)], buffer[from:])]
	}
}

func detectIn(ctx context.Context, d *detect.Detector, name, text string, line int) []Finding {
	var out []Finding
	fragment := detect.Fragment{FilePath: name, Raw: text, StartLine: line} //nolint:staticcheck // DetectContext takes no other type in v8
	for _, f := range d.DetectContext(ctx, fragment) {
		finding := Finding{File: name, Rule: f.RuleID, Line: f.StartLine}
		if text == "" || strings.HasPrefix(f.Match, "file detected:") {
			finding.Line = 0
		}
		out = append(out, finding)
	}
	return out
}
