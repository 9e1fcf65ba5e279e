package starter

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"regexp"
	"strings"

	"github.com/switchyard/switchyard/release"
	"github.com/switchyard/switchyard/release/spec"
)

// InputError says what of the caller's input is wrong and what to do.
type InputError struct {
	What   string // what was tried: "read spec release.yaml"
	Err    error  // why it failed
	Advice string
}

func (e *InputError) Error() string {
	s := e.What + ": " + e.Err.Error()
	if e.Advice != "" {
		s += "\n" + e.Advice
	}
	return s
}

func (e *InputError) Unwrap() error { return e.Err }

// Loaded is a spec as read from a file.
type Loaded struct {
	Spec   spec.Spec
	Digest string // "sha256:…" of what the spec says, with defaults, before paths are made absolute
	Path   string
}

// ReadSpec reads and checks the spec at path ("-" is standard input, whose relative
// paths start at the working directory). Relative paths in it become absolute, so
// that a worker finds the same files; the digest is taken before, so that two
// checkouts of the same spec agree on it. The error is a *spec.Findings with
// everything that is wrong, or an *InputError when the file can't be read.
func ReadSpec(path string) (Loaded, error) {
	data, folder, err := readFile(path)
	if err != nil {
		return Loaded{}, &InputError{What: "read spec " + path, Err: err, Advice: "give the path of a release spec in YAML, or - for standard input"}
	}
	s, err := spec.Decode(path, data)
	if err != nil {
		return Loaded{}, err
	}
	digest, err := digestOf(s)
	if err != nil {
		return Loaded{}, err
	}
	return Loaded{Spec: absolute(s, folder), Digest: digest, Path: path}, nil
}

func readFile(path string) (data []byte, folder string, err error) {
	if path == "-" {
		if folder, err = os.Getwd(); err != nil {
			return nil, "", err
		}
		data, err = io.ReadAll(io.LimitReader(os.Stdin, spec.MaxSize+1))
		return data, folder, err
	}
	full, err := filepath.Abs(path)
	if err != nil {
		return nil, "", err
	}
	f, err := os.Open(full)
	if err != nil {
		return nil, "", err
	}
	defer f.Close()
	// One byte more than is allowed is enough for the decoder to refuse the rest.
	data, err = io.ReadAll(io.LimitReader(f, spec.MaxSize+1))
	return data, filepath.Dir(full), err
}

func digestOf(s spec.Spec) (string, error) {
	data, err := json.Marshal(s)
	if err != nil {
		return "", fmt.Errorf("digest of the spec of %s: %w", s.Application, err)
	}
	sum := sha256.Sum256(data)
	return "sha256:" + hex.EncodeToString(sum[:]), nil
}

// absolute returns the spec with the paths of its files made absolute. Decode's
// result is ours, so it may be changed in place.
func absolute(s spec.Spec, folder string) spec.Spec {
	abs := func(p *string) {
		if *p != "" && !filepath.IsAbs(*p) {
			*p = filepath.Join(folder, *p)
		}
	}
	if s.Image.Packer != nil {
		abs(&s.Image.Packer.Template)
	}
	abs(&s.Image.Provenance.PublicKey)
	for _, run := range s.Programs() {
		// A bare name is looked up on the worker's PATH, as a shell would.
		if strings.ContainsRune(run[0], '/') {
			abs(&run[0])
		}
	}
	return s
}

var idForm = regexp.MustCompile(`^[a-z0-9]([a-z0-9.-]{0,58}[a-z0-9])?$`)

// NewRequest makes the request of a release. An empty id is derived from the
// version and the spec, so that the same spec asked for again is the same release.
func NewRequest(l Loaded, id, requester string) (release.Request, error) {
	if id == "" {
		id = DerivedID(l)
	}
	if !idForm.MatchString(id) {
		return release.Request{}, &InputError{What: fmt.Sprintf("use release id %q", id), Err: fmt.Errorf("it is not an id"),
			Advice: "An id has 1 to 60 lower-case letters, digits, dots and dashes, with a letter or digit at both ends."}
	}
	return release.Request{ID: id, Requester: requester, Spec: l.Spec, Digest: l.Digest}, nil
}

var notInID = regexp.MustCompile(`[^a-z0-9.]+`)

// DerivedID is the id of a release that nobody named: r-<version>-<first 8 digits
// of the spec's digest>. What an id can't hold of a version becomes a dash.
func DerivedID(l Loaded) string {
	version := strings.Trim(notInID.ReplaceAllString(strings.ToLower(l.Spec.Version), "-"), "-.")
	if len(version) > 40 {
		version = strings.TrimRight(version[:40], "-.")
	}
	return "r-" + version + "-" + strings.TrimPrefix(l.Digest, "sha256:")[:8]
}
